// Frozen tensors (ParameterRule): nothing moves them, they cost no way back, and a job that unfreezes some has the same
// bits however often it is stopped, killed, forked or extended. What the updates are is held against PyTorch in
// tests/golden.
#include <algorithm>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/checkpoint/checkpoint_dir.h"
#include "core/graph/parameter_rules.h"
#include "core/job/extend.h"
#include "core/job/fork.h"
#include "core/plan/plan.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/core/train/job_life.h"
#include "tests/support/text_proto.h"

namespace traind::core {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::UnorderedElementsAre;

constexpr char kFrozen[] =
    "parameter_rules { parameters: 'conv.*' frozen: true } parameter_rules { parameters: 'norm.*' frozen: true } ";
constexpr char kUnfreezing[] =
    "parameter_rules { parameters: 'conv.*' frozen: true unfreeze_after_steps: 13 learning_rate_multiplier: 0.5 } "
    "parameter_rules { parameters: 'norm.*' frozen: true unfreeze_after_steps: 6 } ";

// What may stand beside any optimizer, and optimizers whose bias correction counts updates.
const char* const kOptimizers[] = {
    "sgd { momentum: 0.9 } clip_norm: 0.2",
    "adamw {} learning_rate: 0.01 accumulate_batches: 2",
    "nadam {} learning_rate: 0.01 ema { decay: 0.9 }",
    "adam {} learning_rate: 0.01 lookahead { every_steps: 4 } ema { ramp: true }",
    "lamb {} learning_rate: 0.01",
};

class FreezeTest : public JobLife {
 protected:
  TrainRequest RequestWith(const std::string& name, const std::string& optimizer, const std::string& more) {
    return Request(name, absl::StrCat("optimizer { ", optimizer, " } evaluation { every_steps: 4 } ", more));
  }
  void Forget(const TrainRequest& request) { std::filesystem::remove_all(request.checkpoint_dir); }
  std::map<std::string, std::vector<float>> WeightsAt(const TrainRequest& request, uint64_t step) {
    std::map<std::string, std::vector<float>> tensors;
    const auto files = FindCheckpoint(request.checkpoint_dir, absl::StrCat(step));
    EXPECT_TRUE(files.ok()) << files.status();
    if (!files.ok()) return tensors;
    for (const std::string& path : {files->weights_path(), absl::StrCat(files->dir, "/state.safetensors")}) {
      for (Tensor& tensor : Safetensors::Open(path)->LoadAll()) tensors[tensor.name] = std::move(tensor.values);
    }
    return tensors;
  }
};

bool IsOf(const std::string& tensor, const std::string& layer) { return absl::StartsWith(tensor, layer + "."); }

TEST_F(FreezeTest, NothingMovesWhatIsFrozen) {
  for (const std::string& precision : PrecisionsHere()) {
    for (const std::string optimizer : kOptimizers) {
      SCOPED_TRACE(absl::StrCat(precision, optimizer));
      const TrainRequest request =
          RequestWith("frozen", optimizer,
                      absl::StrCat(precision, kFrozen,
                                   "checkpoint { keep_last: 100 } network { regularizers { l2 { strength: 0.1 } } ",
                                   "regularizers { max_norm { limit: 0.1 } } }"));
      Recorder recorder;
      Run(request, recorder);
      const auto before = WeightsAt(request, 0), after = WeightsAt(request, 30);
      int same = 0;
      for (const auto& [name, values] : after) {
        // Averages and slow weights are those of the tensor itself.
        if (IsOf(name, "conv") || IsOf(name, "norm")) {
          if (absl::StrContains(name, "silent_steps")) continue;
          const bool beside = absl::EndsWith(name, "/average") || absl::EndsWith(name, "/slow");
          const std::string own = name.substr(0, name.find('/'));
          EXPECT_EQ(values, before.at(beside || absl::EndsWith(name, "/last") ? own : name)) << name;
          ++same;
        } else if (absl::EndsWith(name, ".weight")) {
          EXPECT_NE(values, before.at(name)) << name;
        }
      }
      EXPECT_GE(same, 5) << "weights, scale and shift, running statistics";
      Forget(request);
    }
  }
}

// Their penalty and gradients are in no number that is told.
TEST_F(FreezeTest, IsToldAndNotCounted) {
  const TrainRequest request =
      RequestWith("told", "sgd { momentum: 0.9 }",
                  absl::StrCat(kFrozen, "parameter_rules { parameters: 'out.*' learning_rate_multiplier: 4 }"));
  Recorder recorder;
  Run(request, recorder);
  for (const v1::Event& event : recorder.Of(v1::Event::kStatistics)) {
    double squares = 0;
    std::vector<std::string> frozen_layers, frozen;
    for (const v1::LayerStatistics& layer : event.statistics().layers()) {
      if (layer.frozen()) frozen_layers.push_back(layer.layer());
    }
    for (const v1::ParameterStatistics& tensor : event.statistics().parameters()) {
      if (tensor.frozen()) {
        frozen.push_back(tensor.name());
        EXPECT_EQ(tensor.gradient_norm(), 0);
        EXPECT_EQ(tensor.update_ratio(), 0);
        EXPECT_FALSE(tensor.has_learning_rate_factor());
        EXPECT_GT(tensor.weight_norm() + (tensor.name() == "norm.bias" ? 1 : 0), 0);
      } else {
        EXPECT_EQ(tensor.learning_rate_factor(), IsOf(tensor.name(), "out") ? 4 : 0) << tensor.name();
      }
      squares += double{tensor.gradient_norm()} * tensor.gradient_norm();
    }
    EXPECT_THAT(frozen_layers, ElementsAre("conv", "norm"));
    EXPECT_THAT(frozen, ElementsAre("conv.weight", "norm.weight", "norm.bias"));
    for (const v1::Event& train : recorder.Of(v1::Event::kTrain)) {
      if (train.step() != event.step()) continue;
      EXPECT_NEAR(train.train().gradient_norm(), std::sqrt(squares), 1e-5 * std::sqrt(squares));
    }
  }
  std::vector<std::string> lines;
  for (const v1::Event& event : recorder.Of(v1::Event::kLog)) lines.push_back(event.log().text());
  EXPECT_THAT(lines, testing::Contains("frozen: 3 tensors (conv.weight, norm.weight, norm.bias)"));
}

TEST_F(FreezeTest, UnfreezingHasTheBitsOfOneRun) {
  for (const std::string& precision : PrecisionsHere()) {
    for (const std::string optimizer : kOptimizers) {
      SCOPED_TRACE(absl::StrCat(precision, optimizer));
      const std::string more = absl::StrCat(precision, kUnfreezing);
      const TrainRequest whole = RequestWith("whole", optimizer, absl::StrCat(more, "checkpoint { keep_last: 100 }"));
      Recorder undisturbed;
      Run(whole, undisturbed);
      const auto start = WeightsAt(whole, 0), first = WeightsAt(whole, 6), second = WeightsAt(whole, 13);
      EXPECT_EQ(first.at("norm.running_mean"), start.at("norm.running_mean"));
      EXPECT_NE(second.at("norm.running_mean"), start.at("norm.running_mean"));
      EXPECT_EQ(second.at("conv.weight"), start.at("conv.weight"));
      EXPECT_NE(Weights(whole).at("conv.weight"), start.at("conv.weight"));
      const TrainRequest parts = RequestWith("parts", optimizer, absl::StrCat(more, "checkpoint { keep_last: 100 }"));
      Recorder recorder;
      TrainInParts(parts, recorder, {3, 6, 7, 13, 22, 0});
      EXPECT_EQ(Weights(parts, true), Weights(whole, true));
      EXPECT_EQ(Told(recorder), Told(undisturbed));
      Forget(whole);
      Forget(parts);
    }
  }
}

TEST_F(FreezeTest, AKillAtAnyMomentLosesNothing) {
  const std::string more = absl::StrCat(kUnfreezing, "checkpoint { every_steps: 5 }");
  const TrainRequest whole = RequestWith("whole", kOptimizers[2], more);
  Recorder undisturbed;
  Run(whole, undisturbed);
  std::vector<std::string> lines;
  for (const v1::Event& event : undisturbed.Of(v1::Event::kLog)) {
    lines.push_back(absl::StrCat(event.step(), " ", event.log().text()));
  }
  EXPECT_THAT(lines, testing::IsSupersetOf(
                         {"0 frozen: 3 tensors (conv.weight, norm.weight, norm.bias), some of them until step 6",
                          "6 from here on trained, too: 2 tensors (norm.weight, norm.bias)",
                          "6 frozen: 1 tensor (conv.weight), some of them until step 13",
                          "13 from here on trained, too: 1 tensor (conv.weight)"}));
  for (int kill_at = 1; kill_at <= 9; ++kill_at) {
    SCOPED_TRACE(kill_at);
    const TrainRequest killed = RequestWith("killed", kOptimizers[2], more);
    KillableRecorder recorder;
    recorder.kill_at = kill_at;
    ASSERT_FALSE(Train(killed, recorder, recorder.stop).ok());
    Run(killed, recorder);
    EXPECT_EQ(Weights(killed, true), Weights(whole, true));
    EXPECT_EQ(Told(recorder), Told(undisturbed));
    Forget(killed);
  }
}

TEST_F(FreezeTest, ExtendedAndForkedItIsOneLongerJob) {
  const TrainRequest whole = RequestWith("whole", kOptimizers[0], kUnfreezing);
  Recorder undisturbed;
  Run(whole, undisturbed);
  for (const uint64_t end : {6, 9}) {
    SCOPED_TRACE(end);
    TrainRequest ended = RequestWith("ended", kOptimizers[0], absl::StrCat(kUnfreezing, "steps: ", end));
    Recorder recorder;
    EXPECT_EQ(Run(ended, recorder).step, end);
    const auto files = FindCheckpoint(ended.checkpoint_dir, "latest");
    ASSERT_TRUE(files.ok()) << files.status();
    TrainRequest fork = RequestWith("fork", kOptimizers[0], kUnfreezing);
    fork.forked_from = absl::StrCat("jobs/ended/checkpoints/", end);
    std::filesystem::create_directories(fork.checkpoint_dir);
    std::filesystem::copy(files->dir,
                          absl::StrCat(fork.checkpoint_dir, "/", std::filesystem::path(files->dir).filename().string()),
                          std::filesystem::copy_options::recursive);
    Recorder of_fork;
    EXPECT_EQ(Run(fork, of_fork).step, 30u);
    EXPECT_EQ(Weights(fork, true), Weights(whole, true));
    v1::Job job;
    *job.mutable_spec() = *job.mutable_resolved_spec() = ended.spec;
    v1::ExtendJobRequest request;
    request.set_steps(30);
    const auto extended = ExtendSpec(job, request, files->manifest);
    ASSERT_TRUE(extended.ok()) << extended.status();
    ended.spec = extended->resolved_spec;
    EXPECT_EQ(Run(ended, recorder).step, 30u);
    EXPECT_EQ(Weights(ended, true), Weights(whole, true));
    Forget(ended);
    Forget(fork);
  }
}

// The state of a tensor that was frozen is none to go on with.
TEST_F(FreezeTest, AForkThatFreezesOtherTensorsBeginsItsStateAnew) {
  const v1::JobSpec frozen = RequestWith("a", kOptimizers[0], kFrozen).spec;
  const v1::JobSpec plain = RequestWith("b", kOptimizers[0], "").spec;
  const v1::JobSpec later = RequestWith("c", kOptimizers[0], kUnfreezing).spec;
  EXPECT_TRUE(InheritedBy(frozen, frozen, 10).optimizer);
  EXPECT_FALSE(InheritedBy(plain, frozen, 10).optimizer);
  EXPECT_FALSE(InheritedBy(frozen, plain, 10).optimizer);
  EXPECT_TRUE(InheritedBy(frozen, later, 6).optimizer);
  EXPECT_FALSE(InheritedBy(frozen, later, 7).optimizer);
}

// --- What is planned.

std::vector<std::string> OperationsOf(const std::string& rules, uint64_t step = 0) {
  auto network = FromText<v1::Network>(R"(
      input_shape: [ 3, 8, 8 ]
      layers { name: "conv1" conv2d { out_channels: 4 kernel: 3 } }
      layers { name: "norm1" batch_norm {} activation { relu {} } }
      layers { name: "conv2" conv2d { out_channels: 4 kernel: 3 } }
      layers { name: "norm2" batch_norm {} activation { relu {} } }
      layers { name: "logits" dense { units: 5 } })");
  FieldErrors::Root errors;
  const auto graph = Graph::Build(network, errors.scope());
  EXPECT_TRUE(errors.ok()) << errors.ToStatus();
  ParameterStore store(*graph, /*trainable=*/true, 0);
  v1::JobSpec spec = FromText<v1::JobSpec>(rules);
  store.Treat(TreatmentsOf(*graph, spec), step);
  auto config = FromText<v1::Loss>("softmax_cross_entropy {}");
  const auto loss = Registry<Loss>::Get().Create(config, errors.scope());
  const auto plan = Plan::Make(*graph, store, {.batch = 2, .training = true, .loss = loss.get()});
  EXPECT_TRUE(plan.ok()) << plan.status();
  return plan.ok() ? (*plan)->operations() : std::vector<std::string>();
}

int64_t Count(const std::vector<std::string>& operations, const std::string& label) {
  return std::count(operations.begin(), operations.end(), label);
}

TEST(FrozenPlan, TheFirstLayersHaveNoWayBack) {
  const auto all = OperationsOf("");
  EXPECT_EQ(Count(all, "conv1: convolution"), 2) << "forward and weights";
  EXPECT_EQ(Count(all, "conv2: convolution"), 3) << "forward, data and weights";
  EXPECT_EQ(Count(all, "norm1: batch normalization"), 2);
  EXPECT_EQ(Count(all, "norm1: running statistics"), 1);
  const std::string rules = "parameter_rules { parameters: '*1.*' frozen: true unfreeze_after_steps: 5 }";
  const auto frozen = OperationsOf(rules);
  EXPECT_EQ(Count(frozen, "conv1: convolution"), 1);
  EXPECT_EQ(Count(frozen, "norm1: batch normalization"), 1);
  EXPECT_EQ(Count(frozen, "norm1: running statistics"), 0);
  EXPECT_EQ(Count(frozen, "conv2: convolution"), 2) << "forward and weights: nobody wants the gradient of the data";
  EXPECT_EQ(Count(frozen, "norm2: running statistics"), 1);
  EXPECT_EQ(OperationsOf(rules, 5), all);
}

TEST(FrozenPlan, BehindWhatIsTrainedTheWayBackGoesThrough) {
  const auto frozen = OperationsOf("parameter_rules { parameters: '*2.*' frozen: true }");
  EXPECT_EQ(Count(frozen, "norm2: batch normalization"), 2);
  EXPECT_EQ(Count(frozen, "norm2: running statistics"), 0);
  EXPECT_EQ(Count(frozen, "conv2: convolution"), 2) << "forward and data";
  EXPECT_EQ(Count(frozen, "conv1: convolution"), 2);
  EXPECT_EQ(Count(frozen, "norm1: running statistics"), 1);
}

}  // namespace
}  // namespace traind::core
