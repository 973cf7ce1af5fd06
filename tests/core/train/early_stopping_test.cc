// Early stopping in the step loop: when it ends, with which weights, and the same after every stop and kill.
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/checkpoint/checkpoint_dir.h"
#include "core/checkpoint/safetensors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/core/train/job_life.h"

namespace traind::core {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Ends after step 12: nothing is better than the first evaluation by as much as that.
constexpr char kNeverBetter[] =
    "evaluation { every_steps: 4 } early_stopping { patience: 2 min_delta: 100 restore_best: true } ";
constexpr char kReason[] = "early stopping: evaluation_loss was best after step 4 (";

class EarlyStoppingTest : public JobLife {
 protected:
  static v1::CheckpointManifest Newest(const TrainRequest& request) {
    const auto files = FindCheckpoint(request.checkpoint_dir, "latest");
    EXPECT_TRUE(files.ok()) << files.status();
    return files.ok() ? files->manifest : v1::CheckpointManifest();
  }
  // The public weights of a checkpoint.
  static std::map<std::string, std::vector<float>> WeightsAt(const TrainRequest& request, uint64_t step) {
    std::map<std::string, std::vector<float>> weights;
    const auto files = FindCheckpoint(request.checkpoint_dir, absl::StrCat(step));
    EXPECT_TRUE(files.ok()) << files.status();
    if (!files.ok()) return weights;
    for (Tensor& tensor : Safetensors::Open(files->weights_path())->LoadAll()) weights[tensor.name] = tensor.values;
    return weights;
  }
};

TEST_F(EarlyStoppingTest, EndsAndSaysWhy) {
  const TrainRequest request = Request("ends", kNeverBetter);
  Recorder recorder;
  const TrainResult result = Run(request, recorder);
  EXPECT_EQ(result.step, 12u);
  EXPECT_FALSE(result.stopped);
  EXPECT_THAT(result.reason, HasSubstr(kReason));
  EXPECT_THAT(result.reason, HasSubstr("), not in the 2 evaluations since"));
  const auto& logs = recorder.Of(v1::Event::kLog);
  ASSERT_EQ(logs.size(), 2u);
  EXPECT_EQ(logs[0].log().text(), result.reason);
  EXPECT_EQ(logs[0].step(), 12u);
  EXPECT_THAT(logs[1].log().text(), HasSubstr("the last checkpoint has the weights of step 4, the best by"));
}

TEST_F(EarlyStoppingTest, RestoresTheBestAndKeepsItWhileItMayBeNeeded) {
  const TrainRequest request =
      Request("restored", absl::StrCat(kNeverBetter, "checkpoint { every_steps: 1 keep_last: 1 }"));
  Recorder recorder;
  Run(request, recorder);
  const v1::CheckpointManifest newest = Newest(request);
  EXPECT_EQ(newest.step(), 12u);
  EXPECT_EQ(newest.early_stopping().best_step(), 4u);
  EXPECT_EQ(newest.early_stopping().restored_step(), 4u);
  EXPECT_EQ(newest.evaluation_loss(), recorder.At(v1::Event::kEvaluation, 4).evaluation().loss());
  EXPECT_EQ(WeightsAt(request, 12), WeightsAt(request, 4));
  EXPECT_FALSE(recorder.Last(v1::Event::kCheckpoint).checkpoint().best());
  const TrainRequest stopped = Request("stopped", kNeverBetter);
  Run(stopped, recorder, 11);
  EXPECT_NE(WeightsAt(request, 12), WeightsAt(stopped, 11)) << "the steps since then have changed nothing";
}

TEST_F(EarlyStoppingTest, WithoutRestoreBestTheLastWeightsStay) {
  const TrainRequest request =
      Request("ends", "evaluation { every_steps: 4 } early_stopping { patience: 2 min_delta: 100 }");
  const TrainRequest plain = Request("plain", "evaluation { every_steps: 4 } steps: 12");
  Recorder recorder, other;
  EXPECT_EQ(Run(request, recorder).step, 12u);
  Run(plain, other);
  EXPECT_EQ(Weights(request, true), Weights(plain, true));
  EXPECT_FALSE(Newest(request).early_stopping().has_restored_step());
}

TEST_F(EarlyStoppingTest, TrainLossIsTheMeanSinceTheEvaluationBefore) {
  const TrainRequest request = Request("train",
                                       "data { evaluation_split: 'none' } evaluation { every_steps: 4 } steps: 8 "
                                       "early_stopping { metric: METRIC_TRAIN_LOSS patience: 1 min_delta: 100 }");
  Recorder recorder;
  EXPECT_EQ(Run(request, recorder).reason, "") << "the last step is no early end";
  double sum = 0;
  for (uint64_t step = 1; step <= 4; ++step) sum += recorder.At(v1::Event::kTrain, step).train().loss();
  EXPECT_EQ(Newest(request).early_stopping().best(), sum / 4);
  EXPECT_EQ(Newest(request).early_stopping().waited(), 1u);
}

// Every step around the decision, stopped and killed: the same end, the same weights, the same events.
TEST_F(EarlyStoppingTest, EveryResumeRepeatsTheSameEnd) {
  int ended = 0, restored = 0;
  for (const std::string& precision : PrecisionsHere()) {
    for (const std::string metric : {"patience: 2 min_delta: 100", "metric: METRIC_TRAIN_LOSS patience: 1",
                                     "metric: METRIC_EVALUATION_ACCURACY patience: 1"}) {
      const std::string more =
          absl::StrCat(precision, "evaluation { every_steps: 3 } optimizer { learning_rate: 0.3 } ",
                       "early_stopping { restore_best: true ", metric, " } checkpoint { every_steps: 2 keep_last: 1 }");
      SCOPED_TRACE(more);
      const TrainRequest whole = Request("whole", more);
      KillableRecorder undisturbed;
      const TrainResult end = Run(whole, undisturbed);
      ended += end.step < 30 ? 1 : 0;
      restored += Newest(whole).early_stopping().has_restored_step() ? 1 : 0;
      const auto expect_same = [&](const TrainRequest& request, Recorder& recorder, const TrainResult& result) {
        EXPECT_EQ(result.step, end.step);
        EXPECT_EQ(result.reason, end.reason);
        EXPECT_FALSE(result.stopped);
        EXPECT_EQ(Weights(request, true), Weights(whole, true));
        EXPECT_EQ(Told(recorder), Told(undisturbed));
        EXPECT_EQ(Newest(request).early_stopping().DebugString(), Newest(whole).early_stopping().DebugString());
        std::filesystem::remove_all(request.checkpoint_dir);
      };
      for (uint64_t stop = end.step > 8 ? end.step - 8 : 1; stop <= end.step; ++stop) {
        SCOPED_TRACE(absl::StrCat("stopped at ", stop));
        const TrainRequest broken = Request("broken", more);
        Recorder recorder;
        Run(broken, recorder, stop);
        expect_same(broken, recorder, Run(broken, recorder));
      }
      for (int kill = 1; kill <= undisturbed.flushes; ++kill) {
        SCOPED_TRACE(absl::StrCat("killed at ", kill));
        const TrainRequest broken = Request("broken", more);
        KillableRecorder recorder;
        recorder.kill_at = kill;
        EXPECT_FALSE(Train(broken, recorder, recorder.stop).ok());
        expect_same(broken, recorder, Run(broken, recorder));
      }
      // A worker that died after its last checkpoint and before its result.
      Recorder again;
      const TrainResult result = Run(whole, again);
      EXPECT_EQ(result.reason, end.reason);
      EXPECT_EQ(again.Of(v1::Event::kCheckpoint).size(), 1u) << "there is nothing left to do";
      std::filesystem::remove_all(whole.checkpoint_dir);
    }
  }
  EXPECT_GT(ended, 0);
  EXPECT_GT(restored, 0);
}

TEST_F(EarlyStoppingTest, FinishRestoresTheBestToo) {
  const TrainRequest request = Request("finished", kNeverBetter);
  Recorder recorder;
  recorder.wish = StopWish::kFinish;
  const TrainResult result = Run(request, recorder, 6);
  EXPECT_EQ(result.step, 6u);
  EXPECT_EQ(WeightsAt(request, 6), WeightsAt(request, 4));
  // Without a min_delta the evaluation at the end counts when it is the best.
  const TrainRequest better =
      Request("better", "evaluation { every_steps: 4 } early_stopping { patience: 9 restore_best: true }");
  Recorder other;
  other.wish = StopWish::kFinish;
  Run(better, other, 6);
  const bool own =
      other.At(v1::Event::kEvaluation, 6).evaluation().loss() < other.At(v1::Event::kEvaluation, 4).evaluation().loss();
  EXPECT_EQ(Newest(better).early_stopping().has_restored_step(), !own);
  EXPECT_EQ(Newest(better).early_stopping().best_step(), 4u) << "it is out of the cadence";
}

TEST_F(EarlyStoppingTest, SaysThatTheBestIsNotThere) {
  const TrainRequest request = Request("lost", kNeverBetter);
  Recorder recorder;
  Run(request, recorder, 9);
  std::filesystem::remove_all(FindCheckpoint(request.checkpoint_dir, "4")->dir);
  EXPECT_EQ(Run(request, recorder).step, 12u);
  EXPECT_FALSE(Newest(request).early_stopping().has_restored_step());
  const v1::LogLine& log = recorder.Last(v1::Event::kLog).log();
  EXPECT_EQ(log.level(), v1::LogLine::LEVEL_WARNING);
  EXPECT_THAT(log.text(), HasSubstr("the weights of its own step, not those of step 4"));
}

}  // namespace
}  // namespace traind::core
