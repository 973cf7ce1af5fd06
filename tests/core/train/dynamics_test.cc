// What stands beside the steps of a training: accumulated minibatches, averages of the weights, lookahead, a schedule
// that looks at evaluations. Stopped and killed, forked and extended, a job has the bits of one that was left alone.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/checkpoint/checkpoint_dir.h"
#include "core/job/extend.h"
#include "core/job/fork.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/core/train/job_life.h"
#include "traind/v1/optimizer.pb.h"

namespace traind::core {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Optimizers of their own state, and what may stand beside any of them.
const char* const kConfigs[] = {
    "adadelta {}",
    "adamax {} learning_rate: 0.01",
    "nadam {} learning_rate: 0.01",
    "lion {} learning_rate: 0.002",
    "lars {} learning_rate: 2 coupled_weight_decay: 0.01",
    "lamb {} learning_rate: 0.01 clip_value: 0.05",
    "adamw {} accumulate_batches: 3",
    "sgd { momentum: 0.9 } ema { decay: 0.9 }",
    "adam {} learning_rate: 0.01 lookahead { every_steps: 4 }",
    "sgd {} ema { ramp: true } lookahead {} accumulate_batches: 2 clip_norm: 0.5",
    "sgd {} swa { begin_steps: 8 every_steps: 3 }",
    "sgd { momentum: 0.9 } schedule { one_cycle { min_momentum: 0.8 max_momentum: 0.95 } warmup_steps: 3 }",
    "sgd { momentum: 0.9 } learning_rate: 0.8 schedule { plateau { factor: 0.5 patience: 0 threshold: 0.3 } }",
};

class DynamicsTest : public JobLife {
 protected:
  TrainRequest RequestWith(const std::string& name, const std::string& optimizer, const std::string& more = "") {
    const std::string own = absl::StrCat("optimizer { ", optimizer, " }");
    if (!absl::StrContains(optimizer, "swa")) {
      return Request(name, absl::StrCat(own, " evaluation { every_steps: 4 } ", more));
    }
    // Not with batch normalization.
    v1::JobSpec spec = Request(name, absl::StrCat("evaluation { every_steps: 4 } ", more)).spec;
    spec.mutable_network()->mutable_layers()->DeleteSubrange(1, 1);
    EXPECT_TRUE(google::protobuf::TextFormat::MergeFromString(own, &spec));
    return RequestOf(name, spec, dataset_, folder_.path(), /*threads=*/1);
  }

  // `fork` begins with the newest checkpoint of `parent`.
  void Fork(const TrainRequest& parent, TrainRequest& fork) {
    const auto files = FindCheckpoint(parent.checkpoint_dir, "latest");
    ASSERT_TRUE(files.ok()) << files.status();
    fork.forked_from = absl::StrCat(parent.job, "/checkpoints/", files->manifest.step());
    std::filesystem::create_directories(fork.checkpoint_dir);
    std::filesystem::copy(files->dir,
                          absl::StrCat(fork.checkpoint_dir, "/", std::filesystem::path(files->dir).filename().string()),
                          std::filesystem::copy_options::recursive);
  }

  void Forget(const TrainRequest& request) { std::filesystem::remove_all(request.checkpoint_dir); }

  v1::CheckpointManifest Manifest(const TrainRequest& request, const std::string& which = "latest") {
    const auto files = FindCheckpoint(request.checkpoint_dir, which);
    EXPECT_TRUE(files.ok()) << files.status();
    return files.ok() ? files->manifest : v1::CheckpointManifest();
  }
};

TEST_F(DynamicsTest, ResumesWithTheSameBits) {
  for (const std::string& precision : PrecisionsHere()) {
    for (const std::string config : kConfigs) {
      SCOPED_TRACE(absl::StrCat(precision, config));
      const TrainRequest whole = RequestWith("whole", config, precision);
      Recorder undisturbed;
      Run(whole, undisturbed);
      const TrainRequest parts = RequestWith("parts", config, precision);
      Recorder recorder;
      TrainInParts(parts, recorder, {1, 4, 11, 12, 23, 0});
      EXPECT_EQ(Weights(parts, true), Weights(whole, true));
      EXPECT_EQ(Told(recorder), Told(undisturbed));
      Forget(whole);
      Forget(parts);
    }
  }
}

// Every kind that there is, by its defaults: a newcomer joins by itself.
TEST_F(DynamicsTest, EveryOptimizerResumesWithTheSameBits) {
  const auto* kinds = v1::Optimizer::descriptor()->FindOneofByName("kind");
  ASSERT_GT(kinds->field_count(), 10);
  for (int i = 0; i < kinds->field_count(); ++i) {
    const std::string config = absl::StrCat(kinds->field(i)->name(), " {} ");
    SCOPED_TRACE(config);
    // All 80 examples for lbfgs, which takes no less.
    const std::string steps = kinds->field(i)->name() == "lbfgs" ? "steps: 12 batch_size: 80" : "steps: 12";
    const TrainRequest whole = RequestWith("whole", config, steps);
    Recorder undisturbed;
    Run(whole, undisturbed);
    const TrainRequest parts = RequestWith("parts", config, steps);
    Recorder recorder;
    TrainInParts(parts, recorder, {1, 7, 0});
    EXPECT_EQ(Weights(parts, true), Weights(whole, true));
    EXPECT_EQ(Told(recorder), Told(undisturbed));
    Forget(whole);
    Forget(parts);
  }
}

// Killed before any of its checkpoints can be seen.
TEST_F(DynamicsTest, AKillAtAnyMomentLosesNothing) {
  const std::string config =
      "nadam {} learning_rate: 0.3 ema { decay: 0.8 } accumulate_batches: 3 "
      "schedule { plateau { factor: 0.5 patience: 0 threshold: 0.3 } }";
  const std::string more = "checkpoint { every_steps: 3 }";
  const TrainRequest whole = RequestWith("whole", config, more);
  Recorder undisturbed;
  Run(whole, undisturbed);
  EXPECT_LT(Manifest(whole).plateau().factor(), 1);
  for (int kill_at = 1; kill_at <= 10; kill_at += 3) {
    SCOPED_TRACE(kill_at);
    const TrainRequest killed = RequestWith("killed", config, more);
    KillableRecorder recorder;
    recorder.kill_at = kill_at;
    ASSERT_FALSE(Train(killed, recorder, recorder.stop).ok());
    Run(killed, recorder);
    EXPECT_EQ(Weights(killed, true), Weights(whole, true));
    EXPECT_EQ(Told(recorder), Told(undisturbed));
    Forget(killed);
  }
}

TEST_F(DynamicsTest, ExtendedItIsOneLongerJob) {
  for (const std::string config : kConfigs) {
    if (config.find("one_cycle") != std::string::npos) continue;  // It spans the whole job.
    SCOPED_TRACE(config);
    const TrainRequest whole = RequestWith("whole", config);
    Recorder undisturbed;
    Run(whole, undisturbed);
    TrainRequest ended = RequestWith("ended", config, "steps: 17");
    Recorder recorder;
    EXPECT_EQ(Run(ended, recorder).step, 17u);
    v1::Job job;
    *job.mutable_spec() = *job.mutable_resolved_spec() = ended.spec;
    v1::ExtendJobRequest request;
    request.set_steps(30);
    const auto extended = ExtendSpec(job, request, Manifest(ended));
    ASSERT_TRUE(extended.ok()) << extended.status();
    ended.spec = extended->resolved_spec;
    EXPECT_EQ(Run(ended, recorder).step, 30u);
    EXPECT_EQ(Weights(ended, true), Weights(whole, true));
    Forget(whole);
    Forget(ended);
  }
}

// Without batch normalization, dropout and shuffling three minibatches are one that is three times as large.
TEST_F(DynamicsTest, AccumulatedMinibatchesAreOneLargeBatch) {
  const auto request = [&](const std::string& name, const std::string& more) {
    TrainRequest made = Request(name, absl::StrCat("sampling: SAMPLING_SEQUENTIAL ", more));
    v1::JobSpec& spec = made.spec;
    spec.mutable_network()->mutable_layers()->DeleteSubrange(3, 1);
    spec.mutable_network()->mutable_layers()->DeleteSubrange(1, 1);
    spec.mutable_data()->clear_augmentation();
    return RequestOf(name, spec, dataset_, folder_.path(), 1);
  };
  const TrainRequest large = request("large", "batch_size: 24 epochs: 5 statistics { every_steps: 1 }");
  const TrainRequest small =
      request("small", "batch_size: 8 epochs: 5 optimizer { accumulate_batches: 3 } statistics { every_steps: 1 }");
  Recorder of_large, of_small;
  EXPECT_EQ(Run(large, of_large).step, 20u);  // Of 80 examples four updates an epoch, the last one of 8 examples.
  EXPECT_EQ(Run(small, of_small).step, 20u);
  const auto &expected = of_large.Of(v1::Event::kTrain), &actual = of_small.Of(v1::Event::kTrain);
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i) {
    EXPECT_EQ(actual[i].epoch(), expected[i].epoch());
    EXPECT_NEAR(actual[i].train().loss(), expected[i].train().loss(), 1e-4) << i;
    EXPECT_NEAR(actual[i].train().accuracy(), expected[i].train().accuracy(), 1e-12) << i;
    EXPECT_NEAR(actual[i].train().gradient_norm(), expected[i].train().gradient_norm(), 1e-3) << i;
  }
  const auto whole = Weights(large), accumulated = Weights(small);
  ASSERT_EQ(accumulated.size(), whole.size());
  double moved = 0;
  for (const auto& [name, values] : whole) {
    for (size_t i = 0; i < values.size(); ++i) {
      EXPECT_NEAR(accumulated.at(name)[i], values[i], 1e-4) << name;
      moved = std::max(moved, std::abs(double{values[i]}));
    }
  }
  EXPECT_GT(moved, 0.1);
}

// What is evaluated is what the checkpoint holds: an evaluation of the file gives the same loss, and the weights that
// go on give another one.
TEST_F(DynamicsTest, TheAverageIsEvaluatedAndKept) {
  const TrainRequest request = RequestWith("average", "sgd { momentum: 0.9 } ema { decay: 0.9 }");
  Recorder recorder;
  Run(request, recorder);
  const auto newest = LoadNewestCheckpoint(request.checkpoint_dir);
  ASSERT_TRUE(newest.ok()) << newest.status();
  const Safetensors& state = newest->state;
  EXPECT_EQ(newest->weights.Load("out.weight")->values, state.Load("out.weight/average")->values);
  EXPECT_NE(newest->weights.Load("out.weight")->values, state.Load("out.weight/last")->values);
  // Without an average the training is the same.
  const TrainRequest plain = RequestWith("plain", "sgd { momentum: 0.9 }");
  Recorder of_plain;
  Run(plain, of_plain);
  EXPECT_EQ(state.Load("out.weight/last")->values, Weights(plain).at("out.weight"));
  EXPECT_NE(recorder.Of(v1::Event::kEvaluation).back().evaluation().loss(),
            of_plain.Of(v1::Event::kEvaluation).back().evaluation().loss());

  const InferenceRequest inference{.spec = request.spec,
                                   .dataset_dir = request.dataset_dir,
                                   .weights_path = newest->files.weights_path(),
                                   .preprocessing_path = newest->files.preprocessing_path()};
  const auto metrics = Evaluate(inference);
  ASSERT_TRUE(metrics.ok()) << metrics.status();
  EXPECT_NEAR(metrics->loss(), recorder.Of(v1::Event::kEvaluation).back().evaluation().loss(), 1e-6);
}

TEST_F(DynamicsTest, TheBestAverageIsRestored) {
  const std::string more = "early_stopping { patience: 100 restore_best: true } ";
  const TrainRequest request = RequestWith("restored", "sgd {} learning_rate: 0.5 ema { decay: 0.5 }", more);
  Recorder recorder;
  Run(request, recorder);
  const uint64_t best = Manifest(request).early_stopping().best_step();
  ASSERT_LT(best, 30u) << "the case has to be chosen so that an earlier evaluation is the best";
  auto newest = LoadNewestCheckpoint(request.checkpoint_dir);
  ASSERT_TRUE(newest.ok());
  const auto earlier = FindCheckpoint(request.checkpoint_dir, absl::StrCat(best));
  ASSERT_TRUE(earlier.ok()) << earlier.status();
  ASSERT_EQ(newest->files.manifest.early_stopping().restored_step(), best);
  EXPECT_EQ(newest->weights.Load("out.weight")->values,
            Safetensors::Open(earlier->weights_path())->Load("out.weight")->values);
  // An extended job goes on with the weights of its own last step, and their average.
  const TrainRequest whole = RequestWith("whole", "sgd {} learning_rate: 0.5 ema { decay: 0.5 }", more + "steps: 40");
  Recorder undisturbed;
  Run(whole, undisturbed);
  TrainRequest longer = request;
  longer.spec.set_steps(40);
  Run(longer, recorder);
  EXPECT_EQ(Weights(longer, true), Weights(whole, true));
}

// The rate in the metrics is the one used: after each evaluation that is no improvement it is halved.
TEST_F(DynamicsTest, ThePlateauDropsTheRate) {
  const TrainRequest request = RequestWith(
      "plateau",
      "sgd { momentum: 0.9 } learning_rate: 0.8 schedule { plateau { factor: 0.5 patience: 0 threshold: 0.3 } }");
  Recorder recorder;
  Run(request, recorder);
  double best = std::nan(""), factor = 1;
  std::vector<double> after(31, 1.0);  // The factor from a step on.
  for (const v1::Event& event : recorder.Of(v1::Event::kEvaluation)) {
    if (event.step() % 4 != 0) continue;  // The last one is out of the cadence.
    const double loss = event.evaluation().loss();
    if (std::isnan(best) || loss < best - 0.3 * best) {
      best = loss;
    } else {
      factor /= 2;
    }
    for (uint64_t step = event.step() + 1; step <= 30; ++step) after[step] = factor;
  }
  EXPECT_LT(factor, 1);
  for (const v1::Event& event : recorder.Of(v1::Event::kTrain)) {
    EXPECT_DOUBLE_EQ(event.train().learning_rate(), 0.8 * after[event.step()]) << event.step();
  }
  EXPECT_EQ(Manifest(request).plateau().factor(), factor);
}

// A fork with another schedule, or without the average, says what it forgets.
TEST_F(DynamicsTest, AForkSaysWhatItForgets) {
  const TrainRequest parent = RequestWith(
      "parent",
      "sgd {} learning_rate: 0.8 ema { decay: 0.5 } schedule { plateau { factor: 0.5 patience: 0 threshold: 0.3 "
      "} }",
      "steps: 20");
  Recorder recorder;
  Run(parent, recorder);
  const v1::CheckpointManifest checkpoint = Manifest(parent);
  ASSERT_LT(checkpoint.plateau().factor(), 1);
  FieldErrors::Root errors;
  const TrainRequest fork = RequestWith("fork", "sgd {} learning_rate: 0.8");
  EXPECT_THAT(CheckFork(fork.spec, 10, "jobs/parent/checkpoints/20", checkpoint, errors.scope()),
              ElementsAre(HasSubstr("plateau had multiplied"), HasSubstr("not with their average"),
                          HasSubstr("the best evaluation is counted anew")));
  TrainRequest begun = fork;
  Fork(parent, begun);
  Recorder of_fork;
  EXPECT_EQ(Run(begun, of_fork).step, 30u);
  EXPECT_EQ(of_fork.Of(v1::Event::kTrain).front().train().learning_rate(), 0.8);
}

// What it publishes is no average that never was, and no evaluation of other weights.
TEST_F(DynamicsTest, AForkWithAnotherAverageBeginsItsOwn) {
  const TrainRequest parent = RequestWith("parent", "sgd {} swa { begin_steps: 25 every_steps: 2 }", "steps: 16");
  Recorder recorder;
  Run(parent, recorder);
  TrainRequest swa = RequestWith("swa", "sgd {} swa { begin_steps: 15 every_steps: 10 }", "steps: 18");
  Fork(parent, swa);
  Run(swa, recorder);
  const auto weights = Weights(swa, true).at("out.weight");
  EXPECT_NE(weights, std::vector<float>(weights.size()));
  // The next one that it takes is of step 25: until then there is none.
  EXPECT_EQ(Weights(swa, true).count("out.weight/last"), 0u);
  swa.spec.set_steps(25);
  Run(swa, recorder);
  EXPECT_EQ(Weights(swa, true).at("out.weight"), Weights(swa, true).at("out.weight/last"));

  v1::JobSpec spec = parent.spec;
  spec.set_steps(17);
  spec.mutable_optimizer()->mutable_ema()->set_decay(0.99);
  spec.mutable_optimizer()->clear_swa();
  TrainRequest ema = RequestOf("ema", spec, dataset_, folder_.path(), /*threads=*/1);
  Fork(parent, ema);
  Run(ema, recorder);
  EXPECT_EQ(Weights(ema, true).at("out.weight"), Weights(ema, true).at("out.weight/last"));
  EXPECT_EQ(Manifest(ema).best_step(), 17u);
}

// Asks for the end within the step after the given one: heartbeats come after each minibatch, too.
class StoppingRecorder : public Recorder {
 public:
  void Heartbeat(uint64_t step) override {
    Recorder::Heartbeat(step);
    if (step == within && ++beats == 5) stop = StopWish::kStop;
  }
  uint64_t within = 0;
  int beats = 0;
};

// What the minibatches have moved by then is not kept.
TEST_F(DynamicsTest, AWishIsHeardBetweenMinibatches) {
  const std::string config = "sgd { momentum: 0.9 } accumulate_batches: 10";
  const TrainRequest whole = RequestWith("whole", config, "steps: 4");
  Recorder undisturbed;
  Run(whole, undisturbed);
  const TrainRequest parts = RequestWith("parts", config, "steps: 4");
  StoppingRecorder recorder;
  for (const uint64_t step : {1, 2, 3}) {
    recorder.stop = StopWish::kNone;
    recorder.within = step;
    recorder.beats = 0;
    const auto result = Train(parts, recorder, recorder.stop);
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_TRUE(result->stopped);
    EXPECT_EQ(result->step, step);
  }
  recorder.within = 0;
  Run(parts, recorder);
  EXPECT_EQ(Weights(parts, true), Weights(whole, true));
  EXPECT_EQ(Told(recorder), Told(undisturbed));
}

}  // namespace
}  // namespace traind::core
