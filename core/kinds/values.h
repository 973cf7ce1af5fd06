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

// A sequence [features, length] as an image of one row; images as they are.
Shape ImageOf(const Shape& shape);

// Of a value: [batch, features], [batch, channels, height, width]; of a sequence [batch, features, 1, length], as an
// image of one row.
dnnl::memory::dims ValueDims(int64_t batch, const Shape& shape);

// The value [n, c, h, w] as rows [n * h * w, c], one for each position, row-major: the memory of channels-last. The
// second one is the way back, a view.
Value RowsOf(Planner& planner, Value value);
Value FromRows(Planner& planner, Value rows, const Shape& shape);

// The gradient of the layer's output, an image or a sequence, as rows.
Value GradientRows(Planner& planner, const Shape& output);

// The gradient of the layer's output with the dimensions and in the layout of `wanted`.
Value GradientAs(Planner& planner, const dnnl::memory::desc& wanted);

// Records the gradient for input i, with the dimensions that the input's own descriptor has.
void GiveInputGradient(Planner& planner, int i, Value gradient);

// The plan of a layer that changes nothing: its output is its input.
BackwardPlan PlanUnchanged(Planner& planner);

// y = scale * x for every value that the layout stores; y may be x.
void ScaleValues(const Layout& layout, const void* x, float scale, void* y);

}  // namespace traind::core
