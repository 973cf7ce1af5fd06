// What layers ask of a planner in the same way: values brought to the form in which a layer works on them. A flattened
// image still has its four dimensions in memory (see Planner::InputShape), so a gradient can come back with two
// dimensions where four went out, or the other way round. Not thread-safe; the planner keeps all errors.
#pragma once

#include "core/kinds/layer.h"
#include "core/kinds/planner.h"
#include "core/tensor/layout.h"

namespace traind::core {

// The i-th input as a tensor of channels: [n, c, h, w] as it comes, or [n, features].
Value ChannelsInput(Planner& planner, int i = 0);

// The gradient of the layer's output with the dimensions and in the layout of `wanted`.
Value GradientAs(Planner& planner, const dnnl::memory::desc& wanted);

// Records the gradient for input i, with the dimensions that the input's own descriptor has.
void GiveInputGradient(Planner& planner, int i, Value gradient);

// The plan of a layer that changes nothing: its output is its input.
BackwardPlan PlanUnchanged(Planner& planner);

// y = scale * x for every value that the layout stores; y may be x.
void ScaleValues(const Layout& layout, const void* x, float scale, void* y);

}  // namespace traind::core
