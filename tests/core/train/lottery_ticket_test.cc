// Pruning, rewinding and the rounds of a lottery ticket: the rule on small stores, and whole jobs through kills.
#include "core/train/lottery_ticket.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/checkpoint/checkpoint_dir.h"
#include "core/job/resolve.h"
#include "core/onednn/onednn.h"
#include "core/train/train.h"
#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"
#include "tests/support/planned_network.h"
#include "tests/support/text_proto.h"
#include "tests/support/train_run.h"

namespace traind::core {
namespace {

using testing::HasSubstr;

// --- The rule.

// A convolution of 5 channels, whose layout is padded, and two dense layers.
class PruningTest : public testing::Test {
 protected:
  std::unique_ptr<LotteryTicket> Make(const std::string& text) {
    return *LotteryTicket::Make(FromText<v1::LotteryTicket>(text), 10, *network_.store);
  }
  std::vector<float> Get(const std::string& layer, const std::string& name) { return network_.Get(layer + "." + name); }
  void Set(const std::string& layer, const std::string& name, const std::vector<float>& values) {
    network_.Set(layer + "." + name, values);
  }

  PlannedNetwork network_{FromText<v1::Network>(R"(
      input_shape: [3, 6, 6]
      layers { name: "c" conv2d { out_channels: 5 kernel: 3 } activation { relu {} } }
      layers { name: "a" dense { units: 10 } activation { relu {} } }
      layers { name: "b" dense { units: 3 } })"),
                          {.batch = 2, .training = true},
                          "",
                          {.slots = 1, .seed = 3}};
};

std::vector<float> Ramp(size_t n, float scale, float first = 1) {
  std::vector<float> values(n);
  for (size_t i = 0; i < n; ++i) values[i] = scale * (first + static_cast<float>(i)) * (i % 2 == 0 ? 1.0f : -1.0f);
  return values;
}

TEST_F(PruningTest, EachLayerLosesItsSmallest) {
  const auto ticket = Make("rounds: 2 prune_rate: 0.4");
  std::map<std::string, std::vector<float>> initial;
  for (const char* layer : {"c", "a", "b"}) initial[layer] = Get(layer, "weight");
  const std::vector<float> bias = Get("a", "bias");
  ticket->AfterStep(0);
  for (const auto& [layer, weights] : initial) Set(layer, "weight", Ramp(weights.size(), 0.1f));
  Set("a", "bias", Ramp(10, 5));

  const std::string log = ticket->Prune(10);
  for (const auto& [layer, weights] : initial) {
    const size_t pruned = weights.size() * 2 / 5;  // Of a ramp the first are the smallest.
    std::vector<float> expected = weights;
    std::fill_n(expected.begin(), pruned, 0.0f);
    EXPECT_EQ(Get(layer, "weight"), expected) << layer;
  }
  EXPECT_EQ(Get("a", "bias"), bias);
  EXPECT_THAT(log, HasSubstr("after round 1 of 3: 579 of 965 weights are left (c.weight 60 %, "));

  // The next round takes its share of what is left, floor(0.4 * 81) = 32 of c.
  for (const auto& [layer, weights] : initial) Set(layer, "weight", Ramp(weights.size(), -2));
  ticket->Prune(20);
  const std::vector<float> c = Get("c", "weight");
  for (size_t i = 0; i < c.size(); ++i) EXPECT_EQ(c[i], i < 54 + 32 ? 0 : initial["c"][i]) << i;
  EXPECT_DOUBLE_EQ(*ticket->Sparsity(0), 86.0 / 135);
  EXPECT_FALSE(ticket->Sparsity(1).has_value());  // The bias.
}

TEST_F(PruningTest, GlobalTakesTheSmallestOfAll) {
  const auto ticket = Make("rounds: 1 prune_rate: 0.5 global: true");
  ticket->AfterStep(0);
  Set("c", "weight", Ramp(135, 10000));
  Set("a", "weight", Ramp(800, 1));
  Set("b", "weight", Ramp(30, 0.001f));
  ticket->Prune(10);
  EXPECT_EQ(*ticket->Sparsity(0), 0);
  EXPECT_EQ(*ticket->Sparsity(4), 1);
}

// Equal weights go in their order, and what is not a number goes last.
TEST_F(PruningTest, TiesAndNaN) {
  const auto ticket = Make("rounds: 1 prune_rate: 0.5");
  ticket->AfterStep(0);
  const std::vector<float> initial = Get("b", "weight");
  std::vector<float> weights(30, 1.0f);
  weights[0] = std::nanf("");
  weights[29] = 0.5f;
  Set("b", "weight", weights);
  ticket->Prune(10);
  const std::vector<float> b = Get("b", "weight");
  for (int i = 0; i < 30; ++i) EXPECT_EQ(b[i], (i >= 1 && i <= 14) || i == 29 ? 0 : initial[i]) << i;
}

// --- Whole jobs.

class LotteryTicketTest : public testing::Test {
 protected:
  TrainRequest Request(const std::string& name, const std::string& more) {
    auto spec = FromText<v1::JobSpec>(R"(
        network {
          layers { name: "conv" conv2d { out_channels: 5 kernel: 3 padding { mode: MODE_SAME } bias: false } }
          layers { name: "norm" batch_norm {} activation { relu {} } }
          layers { name: "pool" max_pool { kernel: 2 } }
          layers { name: "drop" dropout { rate: 0.2 } }
          layers { name: "hidden" dense { units: 16 } activation { tanh {} } }
          layers { name: "out" dense { units: 5 } }
          regularizers { elastic_net { l1: 0.001 l2: 0.01 } groups: PARAMETER_GROUP_WEIGHTS groups: PARAMETER_GROUP_BIASES }
        }
        data { dataset: "images" preprocessing { scale {} } }
        batch_size: 8 seed: 7 steps: 10 metrics_every_steps: 1
        statistics { every_steps: 4 } checkpoint { every { seconds: 0 } }
        lottery_ticket { rounds: 2 prune_rate: 0.3 rewind_step: 3 })");
    EXPECT_TRUE(google::protobuf::TextFormat::MergeFromString(more, &spec));
    return RequestOf(name, spec, dataset_, folder_.path());
  }

  const TemporaryFolder folder_;
  const v1::Dataset dataset_ = ImportGoldenImages(folder_.path());
};

// Weights, masks, weights to rewind to, optimizer's state.
std::map<std::string, std::vector<float>> Everything(const TrainRequest& request) {
  return Weights(request, /*state=*/true);
}

// Before the rewind step, at it, inside a round, between two rounds, right after the pruning.
TEST_F(LotteryTicketTest, ResumeIsExactAtEveryMoment) {
  for (const std::string precision : {"PRECISION_F32", "PRECISION_BF16"}) {
    if (precision == "PRECISION_BF16" && !onednn::SupportsBf16()) continue;
    for (const std::string optimizer : {"sgd { momentum: 0.9 } weight_decay: 0.1", "adamw {} schedule { cosine {} }"}) {
      const std::string more =
          absl::StrCat("precision: ", precision, " optimizer { ", optimizer, " learning_rate: 0.01 }");
      const TrainRequest whole = Request("whole", more);
      Recorder undisturbed;
      const auto result = Train(whole, undisturbed, undisturbed.stop);
      ASSERT_TRUE(result.ok()) << result.status();
      EXPECT_EQ(result->step, 30u);

      const TrainRequest broken = Request("broken", more);
      Recorder recorder;
      TrainInParts(broken, recorder, {1, 3, 5, 10, 11, 20, 25, 0});
      EXPECT_EQ(Everything(broken), Everything(whole)) << more;
      EXPECT_EQ(recorder.Bytes(), undisturbed.Bytes()) << more;
      std::filesystem::remove_all(whole.checkpoint_dir);
      std::filesystem::remove_all(broken.checkpoint_dir);
    }
  }
}

TEST_F(LotteryTicketTest, WhatIsPrunedStaysExactlyZero) {
  for (const std::string precision : {"PRECISION_F32", "PRECISION_BF16"}) {
    if (precision == "PRECISION_BF16" && !onednn::SupportsBf16()) continue;
    for (const std::string optimizer : {"sgd { momentum: 0.9 nesterov: true } weight_decay: 0.1 clip_norm: 1",
                                        "adamw {}", "rmsprop { momentum: 0.5 }", "adagrad {}"}) {
      const TrainRequest request =
          Request("pruned", absl::StrCat("precision: ", precision, " optimizer { ", optimizer, " }"));
      Recorder recorder;
      ASSERT_TRUE(Train(request, recorder, recorder.stop).ok());
      const auto tensors = Everything(request);
      for (const std::string name : {"conv.weight", "hidden.weight", "out.weight"}) {
        const auto& weight = tensors.at(name);
        const auto& mask = tensors.at(name + "/mask");
        int64_t left = static_cast<int64_t>(weight.size()), moved = 0;
        for (int round = 0; round < 2; ++round) left -= static_cast<int64_t>(std::floor(0.3 * left));
        for (size_t i = 0; i < weight.size(); ++i) {
          if (mask[i] == 0) {
            EXPECT_EQ(weight[i], 0) << name << " " << i << " " << optimizer;
          } else {
            moved += weight[i] != tensors.at(name + "/rewind")[i] ? 1 : 0;
          }
        }
        EXPECT_EQ(std::count(mask.begin(), mask.end(), 1.0f), left) << name;
        EXPECT_EQ(std::count(mask.begin(), mask.end(), 0.0f), static_cast<int64_t>(weight.size()) - left) << name;
        EXPECT_GT(moved, left / 2) << name;
      }
      std::filesystem::remove_all(request.checkpoint_dir);
    }
  }
}

TEST_F(LotteryTicketTest, RoundsBeginAnewAndAreReported) {
  const TrainRequest request =
      Request("rounds", "optimizer { sgd { momentum: 0.9 } schedule { cosine {} warmup_steps: 2 } }");
  Recorder recorder;
  ASSERT_TRUE(Train(request, recorder, recorder.stop).ok());
  std::set<double> first_rates;
  for (uint64_t step : {1, 11, 21}) {
    first_rates.insert(recorder.At(v1::Event::kTrain, step).train().learning_rate());
  }
  EXPECT_EQ(first_rates.size(), 1u);
  for (uint64_t step : {10, 20, 30}) {  // Each round ends with its evaluation, whatever the cadence says.
    EXPECT_TRUE(recorder.At(v1::Event::kEvaluation, step).has_evaluation());
  }
  EXPECT_THAT(recorder.At(v1::Event::kLog, 10).log().text(), HasSubstr("after round 1 of 3"));
  EXPECT_THAT(recorder.At(v1::Event::kLog, 20).log().text(), HasSubstr("after round 2 of 3"));
  const auto sparsity = [&](uint64_t step, int parameter) {
    return recorder.At(v1::Event::kStatistics, step).statistics().parameters(parameter);
  };
  EXPECT_EQ(sparsity(8, 0).name(), "conv.weight");
  EXPECT_TRUE(sparsity(8, 0).has_sparsity());
  EXPECT_EQ(sparsity(8, 0).sparsity(), 0);
  EXPECT_EQ(sparsity(12, 0).sparsity(), 40.0 / 135);  // Of 5 x 3 x 3 x 3 weights floor(0.3 * 135),
  EXPECT_EQ(sparsity(24, 0).sparsity(), 68.0 / 135);  // and floor(0.3 * 95) more.
  EXPECT_FALSE(sparsity(12, 1).has_sparsity());       // norm.weight
}

// Without a change of the data's order or of masks, the second round of a job that prunes next to nothing begins where
// the first one was at the rewind step.
TEST_F(LotteryTicketTest, RewindsToTheStepAskedFor) {
  const TrainRequest early = Request("early", "steps: 3 lottery_ticket { rounds: 1 rewind_step: 0 }");
  Recorder recorder;
  recorder.stop_after = 3;
  ASSERT_TRUE(Train(early, recorder, recorder.stop).ok());
  const TrainRequest job = Request("job", "");
  Recorder other;
  other.stop_after = 5;
  ASSERT_TRUE(Train(job, other, other.stop).ok());
  const auto at_three = Everything(early), kept = Everything(job);
  for (const std::string name : {"conv.weight", "norm.weight", "norm.running_mean", "hidden.bias", "out.weight"}) {
    EXPECT_EQ(kept.at(name + "/rewind"), at_three.at(name)) << name;
  }
}

TEST_F(LotteryTicketTest, TheMemoryBoundCountsMasksAndKeptWeights) {
  v1::JobSpec spec = Request("bound", "").spec;
  FieldErrors::Root errors;
  const int64_t with = ResolveJob(spec, &dataset_, 2, errors.scope())->memory_bound_bytes;
  spec.clear_lottery_ticket();
  const int64_t without = ResolveJob(spec, &dataset_, 2, errors.scope())->memory_bound_bytes;
  EXPECT_TRUE(errors.ok());
  EXPECT_GE(with - without, 2 * 4 * (5 * 9 + 16 * 5 * 16 + 5 * 16));
}

}  // namespace
}  // namespace traind::core
