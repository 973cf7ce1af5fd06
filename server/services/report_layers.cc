#include "server/services/report_layers.h"

namespace traind::server {

absl::string_view LayerOf(absl::string_view tensor) { return tensor.substr(0, tensor.rfind('.')); }

v1::StatisticsReport OfLayers(const v1::StatisticsReport& report, const absl::flat_hash_set<std::string>& layers) {
  v1::StatisticsReport kept;
  kept.set_thinned(report.thinned());
  for (const v1::LayerStatistics& layer : report.layers()) {
    if (layers.contains(layer.layer())) *kept.add_layers() = layer;
  }
  for (const v1::ParameterStatistics& tensor : report.parameters()) {
    if (layers.contains(LayerOf(tensor.name()))) *kept.add_parameters() = tensor;
  }
  return kept;
}

}  // namespace traind::server
