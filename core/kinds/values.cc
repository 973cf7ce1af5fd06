#include "core/kinds/values.h"

#include "core/base/bfloat16.h"
#include "core/base/parallel.h"
#include "core/base/vectorize.h"
#include "core/onednn/desc.h"

namespace traind::core {
namespace {

template <class T>
TRAIND_VECTORIZED void ScaleLoop(const T* x, float scale, T* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = FromFloat<T>(ToFloat(x[i]) * scale);
}

template <class T>
void ScaleAll(const Layout& layout, const void* x, float scale, void* y) {
  ParallelFor(layout.stored_elements(), kValueGrain, [&](int64_t begin, int64_t end, int) {
    ScaleLoop(static_cast<const T*>(x) + begin, scale, static_cast<T*>(y) + begin, end - begin);
  });
}

}  // namespace

Value ChannelsInput(Planner& planner, int i) {
  const Value input = planner.Input(i);
  return planner.InputShape(i).size() == 1 ? planner.Flat(input) : input;
}

Shape ImageOf(const Shape& shape) { return shape.size() == 2 ? Shape{shape[0], 1, shape[1]} : shape; }

dnnl::memory::dims ValueDims(int64_t batch, const Shape& shape) {
  const Shape image = ImageOf(shape);
  dnnl::memory::dims dims = {batch};
  dims.insert(dims.end(), image.begin(), image.end());
  return dims;
}

Value RowsOf(Planner& planner, Value value) {
  const dnnl::memory::dims dims = onednn::DimsOf(planner.Desc(value));
  const dnnl::memory::data_type type = planner.compute_type();
  const Value last = planner.In(value, {dims, type, dnnl::memory::format_tag::nhwc});
  return planner.View(last, onednn::Plain({dims[0] * dims[2] * dims[3], dims[1]}, type));
}

Value FromRows(Planner& planner, Value rows, const Shape& shape) {
  return planner.View(
      rows, {ValueDims(planner.batch(), shape), onednn::TypeOf(planner.Desc(rows)), dnnl::memory::format_tag::nhwc});
}

Value GradientRows(Planner& planner, const Shape& output) {
  const dnnl::memory::desc desc(ValueDims(planner.batch(), output), planner.compute_type(),
                                dnnl::memory::format_tag::nhwc);
  return RowsOf(planner, GradientAs(planner, desc));
}

Value GradientAs(Planner& planner, const dnnl::memory::desc& wanted) {
  return planner.In(planner.Reshaped(planner.OutputGradient(), wanted), wanted);
}

void GiveInputGradient(Planner& planner, int i, Value gradient) {
  planner.SetInputGradient(i, planner.Reshaped(gradient, planner.Desc(planner.Input(i))));
}

BackwardPlan PlanUnchanged(Planner& planner) {
  const Value input = planner.Input();
  planner.SetOutput(planner.View(input, planner.Desc(input)));
  return [](Planner& back) {
    GiveInputGradient(back, 0, back.OutputGradient());
    return absl::OkStatus();
  };
}

void ScaleValues(const Layout& layout, const void* x, float scale, void* y) {
  layout.type == dnnl::memory::data_type::bf16 ? ScaleAll<Bfloat16>(layout, x, scale, y)
                                               : ScaleAll<float>(layout, x, scale, y);
}

}  // namespace traind::core
