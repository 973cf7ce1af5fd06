#include "core/layers/values.h"

#include "core/onednn/desc.h"

namespace traind::core {
namespace {

// `value` with the dimensions of `like`: the same numbers in row-major order.
Value Reshaped(Planner& planner, Value value, const dnnl::memory::desc& like) {
  const onednn::Dims dims = onednn::DimsOf(planner.Desc(value));
  const onednn::Dims wanted = onednn::DimsOf(like);
  if (dims == wanted) return value;
  const onednn::Type type = onednn::TypeOf(planner.Desc(value));
  const Value plain = planner.In(value, onednn::Plain(dims, type));
  return planner.View(plain, onednn::Plain(wanted, type));
}

}  // namespace

Value ChannelsInput(Planner& planner, int i) {
  const Value input = planner.Input(i);
  return planner.InputShape(i).size() == 1 ? planner.Flat(input) : input;
}

Value GradientAs(Planner& planner, const dnnl::memory::desc& wanted) {
  return planner.In(Reshaped(planner, planner.OutputGradient(), wanted), wanted);
}

void GiveInputGradient(Planner& planner, int i, Value gradient) {
  planner.SetInputGradient(i, Reshaped(planner, gradient, planner.Desc(planner.Input(i))));
}

}  // namespace traind::core
