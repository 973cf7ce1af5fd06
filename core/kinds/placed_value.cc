#include "core/kinds/placed_value.h"

#include <optional>

#include "core/kinds/values.h"
#include "core/onednn/desc.h"
#include "core/onednn/onednn.h"

namespace traind::core {
namespace {

Value Plain(Planner& planner, int i) {
  const Shape& shape = planner.InputShape(i);
  if (shape.size() == 1) return planner.Flat(planner.Input(i));
  return planner.In(planner.Input(i), onednn::Plain(ValueDims(planner.batch(), shape), planner.compute_type()));
}

PlacedValue Place(Planner& planner, int i, Value value) {
  std::optional<Layout> layout = Layout::Of(planner.Desc(value));
  if (!layout) {
    value = Plain(planner, i);
    layout = Layout::Of(planner.Desc(value));
  }
  if (layout->type != planner.compute_type()) {
    value = planner.In(value, onednn::WithType(planner.Desc(value), planner.compute_type()));
    layout = Layout::Of(planner.Desc(value));
  }
  return {.value = value, .layout = *layout};
}

}  // namespace

PlacedValue PlacedInput(Planner& planner) { return Place(planner, 0, planner.Input()); }

PlacedValue PlacedChannels(Planner& planner, int i) {
  return Place(planner, i, planner.InputShape(i).size() == 1 ? planner.Flat(planner.Input(i)) : planner.Input(i));
}

PlacedValue PlacedPlain(Planner& planner) { return Place(planner, 0, Plain(planner, 0)); }

}  // namespace traind::core
