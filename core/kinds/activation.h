// What every activation is. One kind is one .cc file in core/activations; an elementwise one only states its function
// and its derivative and gets vectorized loops, fusion and statistics from elementwise.h. Ownership and thread-safety
// are those of a Layer (layer.h).
#pragma once

#include <cstdint>
#include <optional>

#include "core/kinds/layer.h"
#include "core/onednn/onednn.h"
#include "core/tensor/layout.h"

namespace traind::core {

// An activation is a layer that can also be the tail of another layer.
class Activation : public Layer {
 public:
  // How the kernel library applies it inside dense and conv2d. Set only where the derivative can be had from the output
  // alone, so that a training step needs no input.
  struct PostOp {
    dnnl::algorithm algorithm;
    float alpha = 0;
    float beta = 0;
  };
  virtual std::optional<PostOp> post_op() const { return std::nullopt; }

  // Linear pieces for each output: more than one for maxout only.
  virtual int64_t pieces() const { return 1; }

  // True for plain max(0, x), which batch norm fuses.
  virtual bool is_relu() const { return false; }

  // True when a unit whose output is zero gets no gradient: it can die (slide 26).
  virtual bool can_die() const { return false; }

  // --- The derivative from memory, for statistics and for the backward pass of a fused activation.
  // Which tensor the derivative is computed from; nullopt where it is not elementwise.
  enum class Source { kInput, kOutput };
  virtual std::optional<Source> derivative_source() const { return std::nullopt; }

  // dx = dy * f'(v) over `layout`, v being the source tensor; dx may be dy. Elementwise activations only.
  virtual void Backward(const Layout& /*layout*/, const void* /*v*/, const void* /*dy*/, void* /*dx*/) const {}

  // How many of the values have |f'(v)| < 0.01 (slide 11). Elementwise activations only.
  virtual int64_t CountSaturated(const Layout& /*layout*/, const void* /*v*/) const { return 0; }
};

}  // namespace traind::core
