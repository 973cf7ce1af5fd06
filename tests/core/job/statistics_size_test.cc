#include "core/job/statistics_size.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "absl/strings/str_cat.h"
#include "traind/v1/statistics.pb.h"

namespace traind::core {
namespace {

using ::testing::HasSubstr;

void AddLayer(v1::NetworkDescription& network, const std::string& name, int64_t elements) {
  v1::LayerDescription& layer = *network.add_layers();
  layer.set_name(name);
  layer.set_kind("dense");
  layer.set_activation("relu");
  layer.add_output_shape(elements);
  for (const char* parameter : {".weight", ".bias"}) {
    v1::TensorInfo& tensor = *layer.add_parameters();
    tensor.set_name(name + parameter);
    tensor.add_shape(elements);
  }
}

// The largest report that there can be of the network: as many bins as possible hold counts of the most bytes.
int64_t LargestReport(const v1::NetworkDescription& network, int64_t batch, int64_t bins) {
  v1::StatisticsReport report;
  for (const v1::LayerDescription& described : network.layers()) {
    v1::LayerStatistics& layer = *report.add_layers();
    const int64_t count = batch * described.output_shape(0);
    layer.set_layer(described.name());
    layer.set_kind(described.kind());
    layer.set_activation(described.activation());
    *layer.mutable_shape() = described.output_shape();
    layer.set_count(count);
    const float number = std::numeric_limits<float>::infinity();
    layer.set_mean(number);
    layer.set_std(number);
    layer.set_min(number);
    layer.set_max(number);
    layer.set_zero_fraction(number);
    layer.set_saturated_fraction(number);
    layer.set_dead_units(described.output_shape(0));
    layer.set_units(described.output_shape(0));
    layer.set_nan_count(count);
    layer.set_inf_count(count);
    layer.set_frozen(true);
    layer.mutable_histogram()->set_low(number);
    layer.mutable_histogram()->set_high(number);
    int64_t smallest = 1;
    while (smallest * 128 * bins <= count) smallest *= 128;
    int64_t left = count - smallest * bins;
    for (int64_t bin = 0; bin < bins; ++bin) {
      const bool longer = smallest * 128 - smallest <= left;
      if (longer) left -= smallest * 128 - smallest;
      layer.mutable_histogram()->add_counts(longer ? smallest * 128 : smallest);
    }
    for (const v1::TensorInfo& tensor : described.parameters()) {
      v1::ParameterStatistics& parameter = *report.add_parameters();
      parameter.set_name(tensor.name());
      parameter.set_weight_norm(number);
      parameter.set_weight_mean(number);
      parameter.set_weight_std(number);
      parameter.set_gradient_norm(number);
      parameter.set_gradient_mean(number);
      parameter.set_gradient_std(number);
      parameter.set_update_ratio(number);
      parameter.set_nan_count(2 * tensor.shape(0));
      parameter.set_inf_count(2 * tensor.shape(0));
      parameter.set_sparsity(0.5);
      parameter.set_frozen(true);
      parameter.set_learning_rate_factor(0.5);
    }
  }
  return static_cast<int64_t>(report.ByteSizeLong());
}

TEST(StatisticsSizeTest, BoundsTheLargestReportClosely) {
  for (const int64_t bins : {64, 100, 256}) {
    for (const int64_t elements : {1, 9, 100, 1000, 70'000, 3'000'000, 50'000'000}) {
      v1::NetworkDescription network;
      for (const char* name : {"a", "a layer with a long name, as blocks make them/branch[1]/conv"}) {
        AddLayer(network, name, elements);
      }
      for (const int64_t batch : {64, 1024}) {
        const int64_t largest = LargestReport(network, batch, bins);
        EXPECT_GE(StatisticsBytes(network, batch, bins), largest) << bins << " " << elements << " " << batch;
        EXPECT_LE(StatisticsBytes(network, batch, bins), largest + 50) << bins << " " << elements << " " << batch;
      }
    }
  }
}

std::string Violation(int layers, uint32_t bins, uint32_t every_steps = 10) {
  v1::NetworkDescription network;
  for (int i = 0; i < layers; ++i) AddLayer(network, absl::StrCat("layer", i), 1'000'000);
  v1::JobSpec spec;
  spec.set_batch_size(64);
  spec.mutable_statistics()->set_histogram_bins(bins);
  spec.mutable_statistics()->set_every_steps(every_steps);
  FieldErrors::Root errors;
  CheckStatisticsSize(spec, network, errors.scope("statistics"));
  return errors.ok() ? "" : std::string(errors.ToStatus().message());
}

TEST(StatisticsSizeTest, RefusesWhatNoEventCanHoldAndSaysWhatWould) {
  EXPECT_EQ(Violation(1000, 256), "");
  EXPECT_EQ(Violation(5000, 64), "");
  EXPECT_THAT(Violation(5000, 256),
              HasSubstr("statistics: an observation of 5000 layers with histogram_bins: 256 may take"));
  EXPECT_THAT(Violation(5000, 256), HasSubstr("histogram_bins: 64 would fit, and every_steps: 0 observes nothing"));
  EXPECT_THAT(Violation(20'000, 64), HasSubstr("; every_steps: 0 observes nothing"));
  EXPECT_EQ(Violation(20'000, 256, 0), "") << "nothing is observed";
}

}  // namespace
}  // namespace traind::core
