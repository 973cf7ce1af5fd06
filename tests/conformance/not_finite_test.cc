// One NaN, whatever the kernels make of it: a job never ends well with it, and statistics show it, for every registered
// layer, activation, block and preset, at both precisions.
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/plan/parameter_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/conformance/every_kind.h"
#include "tests/support/layer_run.h"
#include "tests/support/text_proto.h"
#include "tests/support/train_run.h"

namespace traind::core {
namespace {

using testing::HasSubstr;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

class OneNan : public testing::TestWithParam<KindCase> {
 protected:
  const TemporaryFolder folder_{TemporaryFolder::Place::kMemory};
};

// Into a tensor between the gradients of the second step and its update.
absl::Status SetNan(size_t which, uint64_t step, ParameterStore& store, std::string& name) {
  if (step != 1) return absl::OkStatus();
  StoredParameter& parameter = store.parameters()[which];
  std::vector<float> values(Elements(parameter.spec->shape));
  store.Get(parameter, parameter.master, absl::MakeSpan(values));
  values[values.size() / 2] = kNan;
  store.Set(parameter, parameter.master, values);
  name = parameter.name;
  return absl::OkStatus();
}

TEST_P(OneNan, InAWeightFailsTheJobAndIsNamed) {
  const v1::Dataset dataset = GetParam().Import(folder_.path(), 12);
  for (const v1::Precision precision : Precisions()) {
    auto spec = FromText<v1::JobSpec>(
        absl::StrCat("network { ", GetParam().network,
                     " } data { dataset: 'images' } batch_size: 4 steps: 3 seed: 3 metrics_every_steps: 1 "
                     "statistics { every_steps: 0 } checkpoint { every { seconds: 0 } } "
                     "optimizer { sgd {} learning_rate: 0.001 }"));
    spec.set_precision(precision);
    size_t tensors = 1;
    for (size_t which = 0; which < tensors; ++which) {
      TrainRequest request = RequestOf(absl::StrCat("job", precision, "_", which), spec, dataset, folder_.path());
      std::string name;
      request.on_gradients = [&](uint64_t step, ParameterStore& store) {
        // Planning a large network takes its time: one tensor of those.
        tensors = GetParam().name.starts_with("preset") ? 1 : store.parameters().size();
        return SetNan(which, step, store, name);
      };
      Recorder recorder;
      const absl::Status status = Train(request, recorder, recorder.stop).status();
      SCOPED_TRACE(absl::StrCat(v1::Precision_Name(precision), " ", name));
      EXPECT_EQ(status.code(), absl::StatusCode::kAborted) << status;
      EXPECT_THAT(std::string(status.message()), HasSubstr(absl::StrCat("\"", name, "\"")));
      EXPECT_EQ(FindCheckpoint(request.checkpoint_dir, "latest")->manifest.step(), 0u);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, OneNan, testing::ValuesIn(KindCases()), testing::PrintToStringParamName());

// An observed training step: the NaN in the output of each layer.
std::map<std::string, int64_t> NansOf(const std::string& network, v1::Precision precision, const std::string& weight) {
  const PlanOptions options{.batch = 4, .training = true, .precision = precision, .seed = 3, .observe = true};
  PlannedNetwork made(FromText<v1::Network>(network), options, "mean_squared_error {}");
  std::vector<float> examples(4 * Elements(made.graph->input_shape()), 0.25f), targets(4 * made.plan->outputs());
  if (weight.empty()) {
    examples[examples.size() / 2] = kNan;
  } else {
    std::vector<float> values = made.Get(weight);
    values[0] = kNan;
    made.Set(weight, values);
  }
  made.store->UpdateCopies();
  const absl::Status status =
      made.plan->Run({.examples = examples.data(), .targets = {.values = targets.data()}, .count = 4, .observe = true});
  EXPECT_TRUE(status.ok()) << status;
  v1::StatisticsReport report;
  made.plan->Report(&report);
  std::map<std::string, int64_t> nans;
  bool any = false;
  for (const auto& layer : report.layers()) {
    any |= layer.nan_count() > 0;
    int64_t in_bins = 0;
    for (int64_t count : layer.histogram().counts()) in_bins += count;
    EXPECT_EQ(in_bins + layer.nan_count() + layer.inf_count(), layer.count()) << layer.layer();
    nans[layer.layer()] = layer.nan_count();
  }
  EXPECT_EQ(made.plan->saw_nan(), any);
  return nans;
}

// The kernels take many activations along, and some of those make a number of a NaN. As layers of their own, in loops
// of ours, they do not.
TEST(Nan, IsCountedBehindEveryActivationThatAKernelTakesAlong) {
  int checked = 0;
  for (const KindCase& kind : KindCases()) {
    if (!kind.name.starts_with("activation_") || kind.name == "activation_maxout") continue;
    const std::string activation = kind.network.substr(kind.network.find("activation {"));
    const std::string config = activation.substr(0, activation.find("} }") + 3);
    for (const std::string& layer : {std::string("conv2d { out_channels: 6 kernel: 3 }"),
                                     std::string("conv2d { out_channels: 32 kernel: 3 padding { mode: MODE_SAME } }"),
                                     std::string("dense { units: 7 }"), std::string("batch_norm {}")}) {
      for (const v1::Precision precision : Precisions()) {
        for (const std::string weight : {"", "it.weight"}) {
          SCOPED_TRACE(absl::StrCat(config, " behind ", layer, " ", v1::Precision_Name(precision), " ", weight));
          const std::string shape = "input_shape: [3, 8, 8] layers { name: 'it' " + layer;
          const auto fused = NansOf(absl::StrCat(shape, " ", config, " }"), precision, weight);
          const auto apart = NansOf(absl::StrCat(shape, " } layers { name: 'apart' ", config, " }"), precision, weight);
          EXPECT_GT(fused.at("it"), 0);
          EXPECT_EQ(fused.at("it"), apart.at("apart"));
          ++checked;
        }
      }
    }
  }
  EXPECT_GE(checked, 10 * 4 * 2);
}

// Sums that overflow to both sides: a NaN of finite numbers.
TEST(Nan, OfAnOverflowIsCountedToo) {
  const PlanOptions options{.batch = 2, .training = true, .seed = 3, .observe = true};
  PlannedNetwork made(FromText<v1::Network>("input_shape: [64] layers { name: 'it' dense { units: 32 weight_init { "
                                            "constant { value: 3e38 } } } activation { relu {} } }"),
                      options, "mean_squared_error {}");
  std::vector<float> examples(128), targets(64);
  for (size_t i = 0; i < 64; ++i) examples[i] = i % 2 == 0 ? 8 : -8;
  ASSERT_TRUE(
      made.plan->Run({.examples = examples.data(), .targets = {.values = targets.data()}, .count = 2, .observe = true})
          .ok());
  v1::StatisticsReport report;
  made.plan->Report(&report);
  EXPECT_EQ(report.layers(0).nan_count() + report.layers(0).inf_count(), 32);
}

}  // namespace
}  // namespace traind::core
