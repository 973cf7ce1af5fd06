// The backward pass that dense and conv2d share: both have a weight, perhaps a bias, and primitives with the same
// arguments. `Op` is a onednn::Op of backward data or backward weights; `gradient` is that of the output.
#pragma once

#include "core/kinds/values.h"
#include "core/onednn/primitives.h"

namespace traind::core {

// Appends the gradient for the layer's input.
template <class Op>
void RunGradientOfData(Planner& planner, const Op& data, Value gradient) {
  const Value input_gradient = planner.New(data.desc.diff_src_desc());
  planner.Run(data.desc, {{DNNL_ARG_DIFF_DST, planner.In(gradient, data.desc.diff_dst_desc())},
                          {DNNL_ARG_WEIGHTS, planner.Parameter("weight", data.desc.weights_desc())},
                          {DNNL_ARG_DIFF_SRC, input_gradient}});
  GiveInputGradient(planner, 0, input_gradient);
}

// Appends the gradients of "weight" and, where there is one, "bias". `source` is the forward pass's input.
template <class Op>
void RunGradientOfWeights(Planner& planner, const Op& weights, Value source, Value gradient, bool bias) {
  Value bias_gradient;
  if (bias) bias_gradient = planner.ParameterGradient("bias", weights.desc.diff_bias_desc());
  planner.Run(weights.desc,
              {{DNNL_ARG_SRC, planner.In(source, weights.desc.src_desc())},
               {DNNL_ARG_DIFF_DST, planner.In(gradient, weights.desc.diff_dst_desc())},
               {DNNL_ARG_DIFF_WEIGHTS, planner.ParameterGradient("weight", weights.desc.diff_weights_desc())},
               {DNNL_ARG_DIFF_BIAS, bias_gradient}});
}

}  // namespace traind::core
