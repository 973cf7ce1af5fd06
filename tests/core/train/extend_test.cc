// A job that ended and was given more to train is, bit for bit, one longer job.
#include "core/job/extend.h"

#include <filesystem>
#include <string>

#include "absl/strings/str_cat.h"
#include "core/checkpoint/checkpoint_dir.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/core/train/job_life.h"

namespace traind::core {
namespace {

class ExtendedTrainingTest : public JobLife {
 protected:
  // The request of the job that `ended` is, made `steps` long.
  static TrainRequest Extended(const TrainRequest& ended, uint64_t steps) {
    v1::Job job;
    *job.mutable_spec() = *job.mutable_resolved_spec() = ended.spec;
    job.mutable_progress()->set_steps_per_epoch(10);
    v1::ExtendJobRequest request;
    request.set_steps(steps);
    const auto extended = ExtendSpec(job, request, FindCheckpoint(ended.checkpoint_dir, "latest")->manifest);
    EXPECT_TRUE(extended.ok()) << extended.status();
    TrainRequest longer = ended;
    if (extended.ok()) longer.spec = extended->resolved_spec;
    return longer;
  }

  void ExpectExact(const std::string& more, uint64_t seam, uint64_t total) {
    SCOPED_TRACE(absl::StrCat(more, " ", seam, " of ", total));
    const TrainRequest whole = Request("whole", absl::StrCat(more, " steps: ", total));
    Recorder undisturbed;
    const TrainResult end = Run(whole, undisturbed);
    const TrainRequest ended = Request("extended", absl::StrCat(more, " steps: ", seam));
    Recorder before, after;
    EXPECT_EQ(Run(ended, before).step, seam);
    const TrainResult extended = Run(Extended(ended, total), after);
    EXPECT_EQ(extended.step, end.step);
    EXPECT_EQ(extended.reason, end.reason);
    EXPECT_GT(extended.step, seam);
    EXPECT_EQ(Weights(ended, true), Weights(whole, true));
    EXPECT_EQ(Told(after, seam + 1), Told(undisturbed, seam + 1));
    std::filesystem::remove_all(whole.checkpoint_dir);
    std::filesystem::remove_all(ended.checkpoint_dir);
  }
};

TEST_F(ExtendedTrainingTest, IsOneLongerJobAtAConstantRate) {
  for (const std::string& precision : PrecisionsHere()) {
    for (const std::string optimizer : {"sgd { momentum: 0.9 } weight_decay: 0.01", "adamw {}"}) {
      ExpectExact(absl::StrCat(precision, "optimizer { ", optimizer, " }"), 20, 40);
    }
  }
  ExpectExact("optimizer { sgd {} schedule { step { every_steps: 15 } warmup_steps: 25 } }", 20, 40);
}

// Metrics, statistics and the evaluation of the old last step are out of their cadences: a longer job has none of them.
TEST_F(ExtendedTrainingTest, AnOldEndOutOfEveryCadenceLeavesNoTrace) {
  ExpectExact("statistics { every_steps: 4 dead_window: 2 } evaluation { every_steps: 40 } metrics_every_steps: 7", 17,
              39);
}

TEST_F(ExtendedTrainingTest, EarlyStoppingGoesOn) {
  const std::string more = "evaluation { every_steps: 6 } early_stopping { restore_best: true ";
  // Ends after step 24. The evaluation at an old end of 14 is out of the cadence, and does not count.
  ExpectExact(absl::StrCat(more, "patience: 3 min_delta: 100 }"), 14, 40);
  ExpectExact(absl::StrCat(more, "patience: 3 min_delta: 100 }"), 18, 40);
  ExpectExact(absl::StrCat(more, "patience: 2 metric: METRIC_TRAIN_LOSS min_delta: 100 }"), 14, 40);
  ExpectExact(absl::StrCat(more, "patience: 30 }"), 18, 40);
}

// What it trained before, it trained at other rates; from the seam on the rates are those of the longer job.
TEST_F(ExtendedTrainingTest, AScheduleOverTheWholeJobGoesOnAsTheLongerJobs) {
  const std::string more = "optimizer { sgd { momentum: 0.9 } learning_rate: 0.05 schedule { cosine {} } }";
  const TrainRequest whole = Request("whole", absl::StrCat(more, " steps: 40"));
  const TrainRequest ended = Request("extended", absl::StrCat(more, " steps: 20"));
  Recorder undisturbed, recorder;
  Run(whole, undisturbed);
  Run(ended, recorder);
  Run(Extended(ended, 40), recorder);
  EXPECT_LT(recorder.At(v1::Event::kTrain, 20).train().learning_rate(),
            undisturbed.At(v1::Event::kTrain, 20).train().learning_rate());
  EXPECT_EQ(recorder.At(v1::Event::kTrain, 21).train().learning_rate(),
            undisturbed.At(v1::Event::kTrain, 21).train().learning_rate());
  EXPECT_NE(Weights(ended), Weights(whole));
}

}  // namespace
}  // namespace traind::core
