// A job that begins with a checkpoint of another one.
#include "core/job/fork.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/checkpoint/checkpoint_dir.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/core/train/job_life.h"

namespace traind::core {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::IsSupersetOf;

class ForkedTrainingTest : public JobLife {
 protected:
  // A job that begins with the parent's checkpoint of `step`, which is put in its place as the server does.
  TrainRequest Fork(const TrainRequest& parent, uint64_t step, const std::string& name, const std::string& more = "") {
    TrainRequest fork = Request(name, more);
    fork.forked_from = absl::StrCat(parent.job, "/checkpoints/", step);
    Place(parent, step, fork);
    return fork;
  }
  static void Place(const TrainRequest& parent, uint64_t step, const TrainRequest& fork) {
    const auto files = FindCheckpoint(parent.checkpoint_dir, absl::StrCat(step));
    ASSERT_TRUE(files.ok()) << files.status();
    std::filesystem::create_directories(fork.checkpoint_dir);
    std::filesystem::copy(files->dir,
                          absl::StrCat(fork.checkpoint_dir, "/", std::filesystem::path(files->dir).filename().string()),
                          std::filesystem::copy_options::recursive);
  }
  // What was told after the fork's own beginning.
  static std::set<std::string> ToldAfter(Recorder& recorder, uint64_t step) { return Told(recorder, step + 1); }
};

TEST_F(ForkedTrainingTest, UnchangedItIsTheParentsContinuation) {
  for (const std::string& precision : PrecisionsHere()) {
    const std::string more =
        absl::StrCat(precision, "checkpoint { every_steps: 10 keep_last: 9 } optimizer { adamw {} }");
    const TrainRequest parent = Request("parent", more);
    Recorder undisturbed;
    Run(parent, undisturbed);
    for (const uint64_t step : {0, 10, 20}) {
      SCOPED_TRACE(absl::StrCat(more, " ", step));
      const TrainRequest fork = Fork(parent, step, "fork", more);
      Recorder recorder;
      EXPECT_EQ(Run(fork, recorder, step + 5).step, step + 5);  // Stopped and resumed on the way.
      EXPECT_EQ(Run(fork, recorder).step, 30u);
      EXPECT_EQ(Weights(fork, true), Weights(parent, true));
      EXPECT_EQ(ToldAfter(recorder, step), ToldAfter(undisturbed, step));
      std::filesystem::remove_all(fork.checkpoint_dir);
    }
    std::filesystem::remove_all(parent.checkpoint_dir);
  }
}

TEST_F(ForkedTrainingTest, EarlyStoppingAndItsBestGoOn) {
  const std::string more =
      "checkpoint { every_steps: 1 keep_last: 30 } evaluation { every_steps: 4 } "
      "early_stopping { patience: 3 min_delta: 100 restore_best: true }";
  const TrainRequest parent = Request("parent", more);
  Recorder undisturbed;
  const TrainResult end = Run(parent, undisturbed);
  EXPECT_EQ(end.step, 16u);
  const TrainRequest fork = Fork(parent, 10, "fork", more);
  const auto needed = BestStepNeeded(fork.spec, FindCheckpoint(parent.checkpoint_dir, "10")->manifest);
  ASSERT_EQ(needed, 4u);
  Place(parent, *needed, fork);
  Recorder recorder;
  const TrainResult result = Run(fork, recorder);
  EXPECT_EQ(result.step, end.step);
  EXPECT_EQ(result.reason, end.reason);
  EXPECT_EQ(Weights(fork, true), Weights(parent, true));
  EXPECT_EQ(ToldAfter(recorder, 10), ToldAfter(undisturbed, 10));
}

TEST_F(ForkedTrainingTest, TellsOnceHowItBegan) {
  const TrainRequest parent = Request("parent", "checkpoint { every_steps: 10 keep_last: 9 }");
  Recorder ignored;
  Run(parent, ignored);
  const TrainRequest fork = Fork(parent, 20, "fork");
  Recorder recorder;
  Run(fork, recorder, 22);
  Run(fork, recorder);
  ASSERT_EQ(recorder.Of(v1::Event::kLog).size(), 1u);
  EXPECT_EQ(recorder.At(v1::Event::kLog, 20).log().text(), "began with jobs/parent/checkpoints/20");
  ASSERT_EQ(recorder.Of(v1::Event::kPreprocessing).size(), 1u);
  EXPECT_EQ(recorder.At(v1::Event::kPreprocessing, 20).preprocessing().SerializeAsString(),
            ignored.At(v1::Event::kPreprocessing, 0).preprocessing().SerializeAsString());
  EXPECT_EQ(recorder.Of(v1::Event::kCheckpoint).front().checkpoint().name(), "jobs/fork/checkpoints/20");
  const auto files = FindCheckpoint(fork.checkpoint_dir, "20");
  ASSERT_TRUE(files.ok());
  EXPECT_EQ(files->manifest.job(), "jobs/fork") << "its own from the beginning";
  EXPECT_TRUE(files->manifest.has_evaluation_loss());
}

// Adam's first update is about the learning rate for each weight, and three times that if its bias correction took the
// fork's step for the age of its state.
TEST_F(ForkedTrainingTest, AnotherOptimizerBeginsAnew) {
  const TrainRequest parent = Request("parent", "checkpoint { every_steps: 10 keep_last: 9 }");
  Recorder ignored;
  Run(parent, ignored);
  const std::string adam = "optimizer { adam {} learning_rate: 0.001 } checkpoint { every_steps: 1 keep_last: 9 }";
  const TrainRequest fork = Fork(parent, 20, "fork", adam);
  Recorder recorder;
  Run(fork, recorder, 21);
  EXPECT_EQ(recorder.At(v1::Event::kLog, 20).log().text(),
            "began with jobs/parent/checkpoints/20; the optimizer's state begins anew");
  const auto read = [&](const char* step) {
    return Safetensors::Open(FindCheckpoint(fork.checkpoint_dir, step)->weights_path())->Load("out.weight")->values;
  };
  const std::vector<float> before = read("20"), after = read("21");
  double largest = 0;
  for (size_t i = 0; i < before.size(); ++i) largest = std::max(largest, std::abs(double{after[i]} - before[i]));
  EXPECT_GT(largest, 0.0009);
  EXPECT_LT(largest, 0.0011);
  // Resumed, it is the same job.
  Run(fork, recorder);
  const TrainRequest whole = Fork(parent, 20, "whole", adam);
  Recorder undisturbed;
  Run(whole, undisturbed);
  EXPECT_EQ(Weights(fork, true), Weights(whole, true));
}

TEST_F(ForkedTrainingTest, MuchMayChange) {
  const TrainRequest parent =
      Request("parent", "checkpoint { every_steps: 10 keep_last: 9 } statistics { every_steps: 0 }");
  Recorder ignored;
  Run(parent, ignored);
  const std::vector<std::string> changes = {
      "batch_size: 16 seed: 9 sampling: SAMPLING_SEQUENTIAL",
      "network { layers { name: 'more' dropout { rate: 0.1 } } layers { name: 'flat' flatten {} } }",
      "data { augmentation { pca_lighting {} } }",
      "loss { multiclass_hinge {} }",
      "data { evaluation_split: 'train' max_evaluation_examples: 16 }",
  };
  for (const std::string& change : changes) {
    SCOPED_TRACE(change);
    const TrainRequest fork = Fork(parent, 20, "fork", change);
    Recorder recorder;
    EXPECT_EQ(Run(fork, recorder, 23).step, 23u);
    EXPECT_EQ(Run(fork, recorder).step, 30u);
    std::filesystem::remove_all(fork.checkpoint_dir);
  }
}

TEST_F(ForkedTrainingTest, OtherEvaluationsAreNotComparedWithTheParents) {
  const TrainRequest parent = Request("parent", "checkpoint { every_steps: 10 keep_last: 9 }");
  Recorder ignored;
  Run(parent, ignored);
  const TrainRequest fork = Fork(parent, 20, "fork", "loss { multiclass_hinge {} }");
  Recorder recorder;
  Run(fork, recorder);
  EXPECT_TRUE(recorder.At(v1::Event::kEvaluation, 30).evaluation().best()) << "it is the first of its kind";
  EXPECT_FALSE(FindCheckpoint(fork.checkpoint_dir, "20")->manifest.has_evaluation_loss());
}

// The checkpoint shows the weights of step 4, and the job goes on with those of step 12.
TEST_F(ForkedTrainingTest, OfRestoredWeightsItGoesOnWithTheLastOnes) {
  const std::string more =
      "evaluation { every_steps: 4 } early_stopping { patience: 2 min_delta: 100 restore_best: true }";
  const TrainRequest parent = Request("parent", more);
  Recorder ignored;
  EXPECT_EQ(Run(parent, ignored).step, 12u);
  const TrainRequest fork = Fork(parent, 12, "fork", "evaluation { every_steps: 4 } checkpoint { keep_last: 9 }");
  const TrainRequest plain = Request("plain", "evaluation { every_steps: 4 }");
  Recorder recorder, undisturbed;
  Run(fork, recorder);
  Run(plain, undisturbed);
  EXPECT_EQ(Weights(fork, true), Weights(plain, true));
  EXPECT_EQ(ToldAfter(recorder, 12), ToldAfter(undisturbed, 12));
  EXPECT_FALSE(FindCheckpoint(fork.checkpoint_dir, "12")->manifest.has_evaluation_loss());
}

}  // namespace
}  // namespace traind::core
