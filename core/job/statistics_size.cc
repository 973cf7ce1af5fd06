#include "core/job/statistics_size.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "core/tensor/tensor.h"
#include "traind/v1/statistics.pb.h"

namespace traind::core {
namespace {

// Of the 4 MiB: what the rest of an event, and the message around it, take is far less than 4 KiB.
constexpr int64_t kMaxStatisticsBytes = (int64_t{4} << 20) - 4096;
constexpr uint32_t kFewestBins = 64;  // The API's.

// The most bytes of `bins` varints (seven bits a byte) whose sum is `total`: the next byte of one costs least where all
// have the same length.
int64_t MostVarintBytes(int64_t bins, int64_t total) {
  double left = static_cast<double>(total);
  int64_t bytes = bins;
  for (double smallest = 128, before = 0; bytes < 10 * bins; before = smallest, smallest *= 128) {
    const double longer = std::min(left / (smallest - before), static_cast<double>(bins));
    bytes += static_cast<int64_t>(longer);
    left -= longer * (smallest - before);
    if (longer < static_cast<double>(bins)) break;
  }
  return bytes;
}

// A message whose numbers all take the most bytes that they can, but for the histogram.
v1::LayerStatistics LargestLayer(const v1::LayerDescription& layer, int64_t count) {
  v1::LayerStatistics largest;
  largest.set_layer(layer.name());
  largest.set_kind(layer.kind());
  // Where an activation alone is the layer, its report has it in both fields.
  largest.set_activation(layer.activation().empty() ? layer.kind() : layer.activation());
  *largest.mutable_shape() = layer.output_shape();
  for (float number = 1;
       auto set : {&v1::LayerStatistics::set_mean, &v1::LayerStatistics::set_std, &v1::LayerStatistics::set_min,
                   &v1::LayerStatistics::set_max, &v1::LayerStatistics::set_zero_fraction,
                   &v1::LayerStatistics::set_saturated_fraction}) {
    (largest.*set)(number);
  }
  for (auto set :
       {&v1::LayerStatistics::set_count, &v1::LayerStatistics::set_dead_units, &v1::LayerStatistics::set_units,
        &v1::LayerStatistics::set_nan_count, &v1::LayerStatistics::set_inf_count}) {
    (largest.*set)(count);
  }
  largest.set_frozen(true);
  largest.mutable_histogram()->set_low(1);
  largest.mutable_histogram()->set_high(1);
  return largest;
}

v1::ParameterStatistics LargestParameter(const v1::TensorInfo& tensor) {
  v1::ParameterStatistics largest;
  largest.set_name(tensor.name());
  for (auto set : {&v1::ParameterStatistics::set_weight_norm, &v1::ParameterStatistics::set_weight_mean,
                   &v1::ParameterStatistics::set_weight_std, &v1::ParameterStatistics::set_gradient_norm,
                   &v1::ParameterStatistics::set_gradient_mean, &v1::ParameterStatistics::set_gradient_std,
                   &v1::ParameterStatistics::set_update_ratio}) {
    (largest.*set)(1);
  }
  const int64_t twice = 2 * Elements(Shape(tensor.shape().begin(), tensor.shape().end()));
  largest.set_nan_count(twice);
  largest.set_inf_count(twice);
  largest.set_sparsity(1);
  largest.set_frozen(true);
  largest.set_learning_rate_factor(1);
  return largest;
}

// A message inside another one: a tag of one byte and the length.
int64_t Nested(int64_t bytes) { return bytes + 1 + MostVarintBytes(1, bytes); }

}  // namespace

int64_t StatisticsBytes(const v1::NetworkDescription& network, int64_t batch, int64_t bins) {
  int64_t bytes = 0;
  for (const v1::LayerDescription& layer : network.layers()) {
    const int64_t count = batch * Elements(Shape(layer.output_shape().begin(), layer.output_shape().end()));
    // The histogram's length and that of its counts grow by a few bytes with them.
    constexpr int64_t kLengths = 8;
    bytes += Nested(static_cast<int64_t>(LargestLayer(layer, count).ByteSizeLong()) + kLengths +
                    MostVarintBytes(bins, count));
    for (const v1::TensorInfo& tensor : layer.parameters()) {
      bytes += Nested(static_cast<int64_t>(LargestParameter(tensor).ByteSizeLong()));
    }
  }
  return bytes;
}

void CheckStatisticsSize(const v1::JobSpec& resolved, const v1::NetworkDescription& network,
                         const FieldErrors& statistics) {
  if (resolved.statistics().every_steps() == 0) return;
  const auto bytes = [&](uint32_t bins) { return StatisticsBytes(network, resolved.batch_size(), bins); };
  const uint32_t bins = resolved.statistics().histogram_bins();
  const int64_t largest = bytes(bins);
  if (largest <= kMaxStatisticsBytes) return;
  const bool fewer = bins > kFewestBins && bytes(kFewestBins) <= kMaxStatisticsBytes;
  statistics.Add(absl::StrCat("an observation of ", network.layers_size(), " layers with histogram_bins: ", bins,
                              " may take ", largest >> 10, " KiB, and an event holds ", kMaxStatisticsBytes >> 10, "; ",
                              fewer ? absl::StrCat("histogram_bins: ", kFewestBins, " would fit, and ") : "",
                              "every_steps: 0 observes nothing"));
}

}  // namespace traind::core
