#include "server/store/thinning.h"

#include <algorithm>

namespace traind::server {
namespace {

constexpr int64_t kFirstBlock = 8;

std::array<float, 6> NumbersOf(const v1::LayerStatistics& layer) {
  return {layer.mean(),
          layer.std(),
          layer.min(),
          layer.max(),
          static_cast<float>(layer.dead_units()),
          static_cast<float>(layer.nan_count() + layer.inf_count())};
}

std::array<float, 4> NumbersOf(const v1::ParameterStatistics& parameter) {
  return {parameter.weight_norm(), parameter.gradient_norm(), parameter.update_ratio(),
          static_cast<float>(parameter.nan_count() + parameter.inf_count())};
}

}  // namespace

int64_t BlockLength(int64_t age) {
  if (age < kWholeEvents) return 1;
  int64_t length = kFirstBlock;
  for (int64_t ratio = age / kWholeEvents; ratio >= 2; ratio /= 2) length *= 2;
  return length;
}

void Extremes::AddTo(Numbers& numbers, int64_t sequence, absl::Span<const float> values) {
  for (size_t i = 0; i < values.size(); ++i) {
    Range& range = numbers[i];
    const float value = values[i];
    // Comparisons with NaN are false: it holds no extreme.
    if (value == value && (range.min_at == 0 || value < range.min || (value == range.min && sequence < range.min_at))) {
      range.min = value;
      range.min_at = sequence;
    }
    if (value == value && (range.max_at == 0 || value > range.max || (value == range.max && sequence < range.max_at))) {
      range.max = value;
      range.max_at = sequence;
    }
  }
}

bool Extremes::Holds(const std::map<std::string, Numbers>& all, const std::string& name, int64_t sequence) {
  const auto found = all.find(name);
  return found != all.end() && std::any_of(found->second.begin(), found->second.end(), [&](const Range& range) {
           return range.min_at == sequence || range.max_at == sequence;
         });
}

void Extremes::Add(int64_t sequence, const v1::StatisticsReport& report) {
  for (const v1::LayerStatistics& layer : report.layers()) AddTo(layers_[layer.layer()], sequence, NumbersOf(layer));
  for (const v1::ParameterStatistics& parameter : report.parameters()) {
    AddTo(parameters_[parameter.name()], sequence, NumbersOf(parameter));
  }
}

v1::StatisticsReport Extremes::Thinned(int64_t sequence, const v1::StatisticsReport& report) const {
  v1::StatisticsReport thinned;
  thinned.set_thinned(true);
  for (const v1::LayerStatistics& layer : report.layers()) {
    if (Holds(layers_, layer.layer(), sequence)) *thinned.add_layers() = layer;
  }
  for (const v1::ParameterStatistics& parameter : report.parameters()) {
    if (Holds(parameters_, parameter.name(), sequence)) *thinned.add_parameters() = parameter;
  }
  return thinned;
}

}  // namespace traind::server
