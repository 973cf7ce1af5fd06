#include "core/layers/values.h"

namespace traind::core {

Value ChannelsInput(Planner& planner, int i) {
  const Value input = planner.Input(i);
  return planner.InputShape(i).size() == 1 ? planner.Flat(input) : input;
}

Value GradientAs(Planner& planner, const dnnl::memory::desc& wanted) {
  return planner.In(planner.Reshaped(planner.OutputGradient(), wanted), wanted);
}

void GiveInputGradient(Planner& planner, int i, Value gradient) {
  planner.SetInputGradient(i, planner.Reshaped(gradient, planner.Desc(planner.Input(i))));
}

}  // namespace traind::core
