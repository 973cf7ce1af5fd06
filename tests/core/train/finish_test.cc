// A training that is told to finish: early and well, never as stopped.
#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <set>
#include <string>

#include "absl/strings/str_replace.h"
#include "core/base/file.h"
#include "core/checkpoint/checkpoint_dir.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/core/train/job_life.h"

namespace traind::core {
namespace {

using testing::IsEmpty;

class FinishTest : public JobLife {
 protected:
  static TrainResult Finish(const TrainRequest& request, Recorder& recorder, uint64_t step) {
    recorder.wish = StopWish::kFinish;
    return Run(request, recorder, step);
  }
};

TEST_F(FinishTest, EvaluatesAndWritesTheLastCheckpointOfTheStepUnderWay) {
  const TrainRequest request = Request("finished"), stopped = Request("stopped");
  Recorder recorder, other;
  const TrainResult result = Finish(request, recorder, 17);
  EXPECT_EQ(result.step, 17u);
  EXPECT_FALSE(result.stopped);
  EXPECT_EQ(result.reason, "ended early, after step 17 of 30");
  const v1::EvaluationMetrics& evaluation = recorder.At(v1::Event::kEvaluation, 17).evaluation();
  const auto files = FindCheckpoint(request.checkpoint_dir, "latest");
  ASSERT_TRUE(files.ok());
  EXPECT_EQ(files->manifest.step(), 17u);
  EXPECT_EQ(files->manifest.evaluation_loss(), evaluation.loss());
  EXPECT_EQ(recorder.Of(v1::Event::kCheckpoint).size(), 3u) << "of steps 0, 10 and 17";
  EXPECT_EQ(recorder.Last(v1::Event::kCheckpoint).checkpoint().best(), evaluation.best());
  Run(stopped, other, 17);
  EXPECT_EQ(Weights(request, true), Weights(stopped, true));
}

TEST_F(FinishTest, EvaluatesNoStepTwiceAndNothingWithoutASplit) {
  const TrainRequest request = Request("finished");
  Recorder recorder;
  EXPECT_EQ(Finish(request, recorder, 20).step, 20u);
  EXPECT_EQ(recorder.Of(v1::Event::kEvaluation).size(), 2u);
  const TrainRequest blind = Request("blind", "data { evaluation_split: 'none' }");
  Recorder other;
  const TrainResult result = Finish(blind, other, 17);
  EXPECT_FALSE(result.stopped);
  EXPECT_THAT(other.Of(v1::Event::kEvaluation), IsEmpty());
  EXPECT_EQ(FindCheckpoint(blind.checkpoint_dir, "latest")->manifest.step(), 17u);
}

TEST_F(FinishTest, TheLastStepNeedsNoReason) {
  const TrainRequest request = Request("finished");
  Recorder recorder;
  const TrainResult result = Finish(request, recorder, 30);
  EXPECT_EQ(result.step, 30u);
  EXPECT_FALSE(result.stopped);
  EXPECT_EQ(result.reason, "");
}

// Killed between the checkpoint and the evaluation's, and told again to finish when it runs.
TEST_F(FinishTest, AKillRepeatsTheEvaluationThatWasTold) {
  const TrainRequest request = Request("finished");
  KillableRecorder recorder;
  recorder.wish = StopWish::kFinish;
  recorder.stop_after = 17;
  recorder.kill_at = 4;  // The checkpoints of steps 0, 10 (the best), 17 without and 17 with its evaluation.
  EXPECT_EQ(Train(request, recorder, recorder.stop).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_FALSE(FindCheckpoint(request.checkpoint_dir, "17")->manifest.has_evaluation_loss());
  Recorder again;
  again.stop = StopWish::kFinish;
  const auto result = Train(request, again, again.stop);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->step, 17u);
  EXPECT_FALSE(result->stopped);
  EXPECT_EQ(again.At(v1::Event::kEvaluation, 17).SerializeAsString(),
            recorder.At(v1::Event::kEvaluation, 17).SerializeAsString());
  EXPECT_TRUE(FindCheckpoint(request.checkpoint_dir, "17")->manifest.has_evaluation_loss());
}

// The evaluation out of the cadence counts for which one is the best, and for nothing else.
std::set<std::string> WithoutBest(const std::set<std::string>& told) {
  std::set<std::string> without;
  for (const std::string& event : told) without.insert(absl::StrReplaceAll(event, {{"  best: true\n", ""}}));
  return without;
}

TEST_F(FinishTest, WhatHasFinishedMayGoOnAsIfItHadNot) {
  const TrainRequest whole = Request("whole"), request = Request("finished");
  Recorder undisturbed, recorder, rest;
  Run(whole, undisturbed);
  Finish(request, recorder, 17);
  EXPECT_EQ(Run(request, rest).step, 30u);
  EXPECT_EQ(Weights(request, true), Weights(whole, true));
  EXPECT_EQ(WithoutBest(Told(rest, 18)), WithoutBest(Told(undisturbed, 18)));
}

// The newest wish counts, until the loop has seen one.
TEST_F(FinishTest, AStopAfterItIsAStop) {
  class Indecisive : public Recorder {
   public:
    void Heartbeat(uint64_t step) override {
      if (step == 17) stop = StopWish::kFinish;
      if (step == 17) stop = StopWish::kStop;
    }
  };
  const TrainRequest request = Request("stopped");
  Indecisive recorder;
  const auto result = Train(request, recorder, recorder.stop);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_TRUE(result->stopped);
  EXPECT_EQ(result->reason, "");
}

// The disk has no room from `step` on.
class FullFrom : public Recorder {
 public:
  explicit FullFrom(uint64_t step) : step_(step) {}
  ~FullFrom() override { SetFileFaultForTest(nullptr); }
  void Heartbeat(uint64_t step) override {
    if (step >= step_)
      SetFileFaultForTest([](absl::string_view what, const std::string&) { return what == "write" ? ENOSPC : 0; });
  }

 private:
  const uint64_t step_;
};

TEST_F(FinishTest, TheLastCheckpointIsWaitedForAndItsLackIsNoEnd) {
  const TrainRequest request = Request("full"), whole = Request("whole");
  {
    FullFrom recorder(30);
    recorder.stop_when_waiting = true;
    const TrainResult result = Run(request, recorder);
    EXPECT_TRUE(result.stopped) << "the job is not done without its result";
    ASSERT_EQ(recorder.waited_for.size(), 2u);
    EXPECT_THAT(recorder.waited_for[0], testing::HasSubstr("room on the disk for the last checkpoint"));
    EXPECT_EQ(recorder.waited_for[1], "");
    EXPECT_THAT(recorder.Last(v1::Event::kLog).log().text(),
                testing::HasSubstr("the training is over and waits for room on the disk"));
  }
  Recorder again, undisturbed;
  EXPECT_FALSE(Run(request, again).stopped);
  Run(whole, undisturbed);
  EXPECT_EQ(Weights(request, true), Weights(whole, true));
}

TEST_F(FinishTest, WithoutRoomForTheFirstCheckpointItTrains) {
  const TrainRequest request = Request("full"), whole = Request("whole");
  {
    FullFrom recorder(0);
    recorder.Heartbeat(0);
    recorder.stop_when_waiting = true;
    const TrainResult result = Run(request, recorder);
    EXPECT_EQ(result.step, 30u);
    EXPECT_TRUE(result.stopped);
    EXPECT_THAT(recorder.Of(v1::Event::kLog).front().log().text(), testing::HasSubstr("no checkpoint of step 0"));
  }
  Recorder again, undisturbed;
  EXPECT_FALSE(Run(request, again).stopped);
  Run(whole, undisturbed);
  EXPECT_EQ(Weights(request, true), Weights(whole, true));
}

}  // namespace
}  // namespace traind::core
