#include "core/plan/placed_value.h"

#include <optional>

#include "core/onednn/desc.h"
#include "core/onednn/onednn.h"

namespace traind::core {
namespace {

Value Plain(Planner& planner) {
  const Shape& shape = planner.InputShape();
  if (shape.size() == 1) return planner.Flat(planner.Input());
  onednn::Dims dims = {planner.batch()};
  dims.insert(dims.end(), shape.begin(), shape.end());
  return planner.In(planner.Input(), onednn::Plain(dims, planner.compute_type()));
}

PlacedValue Place(Planner& planner, Value value) {
  std::optional<Layout> layout = Layout::Of(planner.Desc(value));
  if (!layout) {
    value = Plain(planner);
    layout = Layout::Of(planner.Desc(value));
  }
  if (layout->type != planner.compute_type()) {
    value = planner.In(value, onednn::WithType(planner.Desc(value), planner.compute_type()));
    layout = Layout::Of(planner.Desc(value));
  }
  return {.value = value, .layout = *layout};
}

}  // namespace

PlacedValue PlacedInput(Planner& planner) { return Place(planner, planner.Input()); }

PlacedValue PlacedChannels(Planner& planner) {
  return Place(planner, planner.InputShape().size() == 1 ? planner.Flat(planner.Input()) : planner.Input());
}

PlacedValue PlacedPlain(Planner& planner) { return Place(planner, Plain(planner)); }

}  // namespace traind::core
