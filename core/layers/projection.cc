#include "core/layers/projection.h"

#include <utility>

#include "core/layers/fusion.h"
#include "core/layers/weighted.h"
#include "core/onednn/desc.h"

namespace traind::core {
namespace {

onednn::InnerProductOptions OptionsOf(const Planner& planner, const Projection& projection,
                                      const dnnl::memory::desc& source) {
  return InnerProductOf(planner, source, projection.out, !projection.bias.empty());
}

}  // namespace

absl::StatusOr<Projected> Project(Planner& planner, const Projection& projection, Value rows) {
  onednn::InnerProductOptions options = OptionsOf(planner, projection, planner.Desc(rows));
  auto forward =
      projection.fuse ? WithFusedActivation(planner, options, onednn::InnerProduct) : onednn::InnerProduct(options);
  if (!forward.ok()) return forward.status();
  const auto& chosen = forward->desc;
  Value bias;
  if (!projection.bias.empty()) bias = planner.Parameter(projection.bias, chosen.bias_desc());
  const Value output = planner.New(chosen.dst_desc());
  const Planner::Arguments arguments = {{DNNL_ARG_SRC, rows},
                                        {DNNL_ARG_WEIGHTS, planner.Parameter(projection.weight, chosen.weights_desc())},
                                        {DNNL_ARG_BIAS, bias},
                                        {DNNL_ARG_DST, output}};
  planner.Run(chosen, arguments);
  if (forward->plain) planner.ObserveUnfused(*forward->plain, arguments);
  return Projected{.forward = *std::move(forward), .source = rows, .output = output};
}

absl::StatusOr<Value> ProjectBack(Planner& planner, const Projection& projection, const Projected& projected,
                                  Value gradient, bool wants_input) {
  const auto& chosen = projected.forward.desc;
  onednn::InnerProductOptions options = OptionsOf(planner, projection, chosen.src_desc());
  Value input_gradient;
  if (wants_input) {
    options.weights = chosen.weights_desc();
    auto data = onednn::InnerProductGradientOfData(options, projected.forward);
    if (!data.ok() || IsReference(*data)) {
      options.weights = onednn::Any(onednn::DimsOf(options.weights), planner.compute_type());
      data = onednn::InnerProductGradientOfData(options, projected.forward);
    }
    if (!data.ok()) return data.status();
    input_gradient = planner.New(data->desc.diff_src_desc());
    planner.Run(data->desc, {{DNNL_ARG_DIFF_DST, gradient},
                             {DNNL_ARG_WEIGHTS, planner.Parameter(projection.weight, data->desc.weights_desc())},
                             {DNNL_ARG_DIFF_SRC, input_gradient}});
  }
  const bool frozen_bias = projection.bias.empty() || planner.Frozen(projection.bias);
  if (planner.Frozen(projection.weight) && frozen_bias) return input_gradient;
  options.weights = onednn::Any(onednn::DimsOf(options.weights), onednn::Type::f32);
  const auto weights = onednn::InnerProductGradientOfWeights(options, projected.forward);
  if (!weights.ok()) return weights.status();
  Value bias_gradient;
  if (!projection.bias.empty()) {
    bias_gradient = planner.ParameterGradient(projection.bias, weights->desc.diff_bias_desc());
  }
  planner.Run(weights->desc,
              {{DNNL_ARG_SRC, projected.source},
               {DNNL_ARG_DIFF_DST, gradient},
               {DNNL_ARG_DIFF_WEIGHTS, planner.ParameterGradient(projection.weight, weights->desc.diff_weights_desc())},
               {DNNL_ARG_DIFF_BIAS, bias_gradient}});
  return input_gradient;
}

}  // namespace traind::core
