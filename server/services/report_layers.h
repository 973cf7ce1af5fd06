// Some layers of a report of statistics. Pure; thread-safe.
#pragma once

#include <string>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"
#include "traind/v1/statistics.pb.h"

namespace traind::server {

// The layer of a trained tensor: "conv1" of "conv1.weight".
absl::string_view LayerOf(absl::string_view tensor);

// The report with these layers and their tensors alone; the others are not copied.
v1::StatisticsReport OfLayers(const v1::StatisticsReport& report, const absl::flat_hash_set<std::string>& layers);

}  // namespace traind::server
