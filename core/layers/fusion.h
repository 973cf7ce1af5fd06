// How dense and conv2d take the activation that follows into their own primitive.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "core/kinds/activation.h"
#include "core/kinds/planner.h"
#include "core/onednn/primitives.h"

namespace traind::core {

// True for the library's unoptimized loops, a hundred times slower than any kernel.
template <class Kind>
bool IsReference(const onednn::Op<Kind>& op) {
  return std::string_view(op.desc.impl_info_str()).starts_with("ref");
}

// The same primitive without the post-op; nullopt where there is none in these layouts.
template <class Options, class Make, class Op>
auto WithoutPostOp(Options options, const Make& make, const Op& fused) -> decltype(fused.plain) {
  options.post_op.reset();
  options.src = fused.desc.src_desc();
  options.weights = fused.desc.weights_desc();
  options.dst = fused.desc.dst_desc();
  auto plain = make(options);
  if (!plain.ok()) return std::nullopt;
  return std::move(plain->desc);
}

// make(options), with the activation as a post-op where it can be one and a fast kernel takes it.
template <class Options, class Make>
auto WithFusedActivation(Planner& planner, Options& options, const Make& make) -> decltype(make(options)) {
  const Activation* activation = planner.activation();
  if (const auto post_op = activation ? activation->post_op() : std::nullopt) {
    options.post_op = onednn::PostOp{.algorithm = post_op->algorithm, .alpha = post_op->alpha, .beta = post_op->beta};
    auto fused = make(options);
    if (fused.ok() && !IsReference(*fused)) {
      planner.FuseActivation();
      if (planner.observed()) fused->plain = WithoutPostOp(options, make, *fused);
      return fused;
    }
    options.post_op.reset();
  }
  return make(options);
}

}  // namespace traind::core
