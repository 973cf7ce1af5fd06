// When checkpoints are written, and that the training does not wait for them: by steps exactly, the best one always
// before the end, everything else in its share of the time; and that a crash at any moment leads to the same ones.
#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "core/checkpoint/checkpoint_dir.h"
#include "core/plan/parameter_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/core/train/job_life.h"

namespace traind::core {
namespace {

using testing::ElementsAre;

// Nothing is written but what must be; every step is evaluated.
constexpr char kSparing[] = "evaluation { every_steps: 1 } checkpoint { time_share: 1e-12 } ";

class SaveTest : public JobLife {
 protected:
  static std::vector<uint64_t> Steps(const TrainRequest& request) {
    std::vector<uint64_t> steps;
    const auto checkpoints = ListCheckpoints(request.checkpoint_dir);
    EXPECT_TRUE(checkpoints.ok()) << checkpoints.status();
    for (const CheckpointFiles& files : *checkpoints) steps.push_back(files.manifest.step());
    return steps;
  }
  static std::vector<uint64_t> Told(Recorder& recorder) {
    std::vector<uint64_t> steps;
    for (const v1::Event& event : recorder.Of(v1::Event::kCheckpoint)) {
      steps.push_back(event.step());
      EXPECT_THAT(event.checkpoint().name(), testing::EndsWith(absl::StrCat("/", event.step())));
      EXPECT_EQ(event.epoch(), static_cast<double>(event.step()) / 10);
      EXPECT_GT(event.checkpoint().size_bytes(), 0);
    }
    return steps;
  }
  static std::map<std::string, std::vector<float>> WeightsOf(const TrainRequest& request, uint64_t step) {
    std::map<std::string, std::vector<float>> weights;
    const auto files = FindCheckpoint(request.checkpoint_dir, absl::StrCat(step));
    EXPECT_TRUE(files.ok()) << files.status();
    if (!files.ok()) return weights;
    EXPECT_TRUE(VerifyCheckpoint(*files).ok());
    for (Tensor& tensor : Safetensors::Open(files->weights_path())->LoadAll()) weights[tensor.name] = tensor.values;
    return weights;
  }
  // The lowest loss and its step, by the events.
  static std::pair<double, uint64_t> BestOf(Recorder& recorder) {
    std::pair<double, uint64_t> best = {INFINITY, 0};
    for (const v1::Event& event : recorder.Of(v1::Event::kEvaluation)) {
      if (event.evaluation().loss() < best.first) best = {event.evaluation().loss(), event.step()};
    }
    return best;
  }
  void ExpectBest(const TrainRequest& request, const TrainRequest& every_step, std::pair<double, uint64_t> best) {
    const auto files = FindCheckpoint(request.checkpoint_dir, "best");
    ASSERT_TRUE(files.ok()) << files.status();
    EXPECT_EQ(files->manifest.step(), best.second);
    EXPECT_EQ(files->manifest.evaluation_loss(), best.first);
    EXPECT_EQ(FindCheckpoint(request.checkpoint_dir, "latest")->manifest.best_step(), best.second);
    EXPECT_EQ(WeightsOf(request, best.second), WeightsOf(every_step, best.second));
  }
  // The same job with a checkpoint of each step.
  TrainRequest EveryStep(Recorder& recorder, const std::string& more = "") {
    const TrainRequest request = Request(
        "every", absl::StrCat("evaluation { every_steps: 1 } checkpoint { every_steps: 1 keep_last: 100 } ", more));
    Run(request, recorder);
    return request;
  }
};

TEST_F(SaveTest, BySteps) {
  const TrainRequest request = Request("steps",
                                       "steps: 23 checkpoint { every_steps: 3 keep_last: 100 time_share: 1e-12 } "
                                       "data { evaluation_split: 'none' }");
  Recorder recorder;
  Run(request, recorder);
  const std::vector<uint64_t> wanted = {0, 3, 6, 9, 12, 15, 18, 21, 23};
  EXPECT_EQ(Steps(request), wanted);
  EXPECT_EQ(Told(recorder), wanted);
}

// The best ones follow each other fast: all but the newest are passed over.
TEST_F(SaveTest, TheNewestBestBeforeTheEnd) {
  Recorder all, recorder;
  const TrainRequest every = EveryStep(all), request = Request("sparing", kSparing);
  Run(request, recorder);
  const auto best = BestOf(all);
  ASSERT_GT(best.second, 1u) << "of several, for this test to say anything";
  ExpectBest(request, every, best);
  std::vector<uint64_t> steps = {0, best.second, 30};
  steps.erase(std::unique(steps.begin(), steps.end()), steps.end());
  EXPECT_EQ(Steps(request), steps);
  EXPECT_EQ(Told(recorder), steps);
  EXPECT_EQ(Weights(request, true), Weights(every, true));
}

// It waits for its share of the time, and a checkpoint by steps waits for it.
TEST_F(SaveTest, TheBestBeforeOneBySteps) {
  int told = 0;
  for (const char* rate : {"0.2", "0.4", "0.8"}) {
    SCOPED_TRACE(rate);
    const std::string optimizer = absl::StrCat("optimizer { learning_rate: ", rate, " } ");
    const TrainRequest request =
        Request(absl::StrCat("rate", rate), absl::StrCat(kSparing, optimizer, "checkpoint { every_steps: 7 }"));
    Recorder recorder;
    Run(request, recorder);
    const auto best = BestOf(recorder);
    if (best.second % 7 != 0 && best.second < 28) ++told;
    const auto files = FindCheckpoint(request.checkpoint_dir, "best");
    ASSERT_TRUE(files.ok()) << files.status();
    EXPECT_EQ(files->manifest.step(), best.second);
    EXPECT_EQ(files->manifest.evaluation_loss(), best.first);
  }
  EXPECT_GT(told, 0) << "the best one before one by steps, for this test to say anything";
}

TEST_F(SaveTest, TheNewestBestBeforeAStopAndBeforeAFinish) {
  Recorder all;
  const TrainRequest every = EveryStep(all, "optimizer { learning_rate: 0.4 }");
  for (const StopWish wish : {StopWish::kStop, StopWish::kFinish}) {
    for (const uint64_t step : {9, 17, 26}) {
      SCOPED_TRACE(step);
      const TrainRequest request = Request(absl::StrCat("at", step, "_", static_cast<int>(wish)),
                                           absl::StrCat(kSparing, "optimizer { learning_rate: 0.4 }"));
      Recorder recorder;
      recorder.wish = wish;
      Run(request, recorder, step);
      ExpectBest(request, every, BestOf(recorder));
      EXPECT_EQ(FindCheckpoint(request.checkpoint_dir, "latest")->manifest.step(), step);
    }
  }
}

TEST_F(SaveTest, TheNewestBestBeforeAFailure) {
  Recorder all, recorder;
  const TrainRequest every = EveryStep(all);
  TrainRequest request = Request("fails", kSparing);
  request.on_gradients = [](uint64_t step, ParameterStore& store) {
    if (step == 20) store.parameters()[0].gradient[0] = std::nanf("");
    return absl::OkStatus();
  };
  EXPECT_EQ(Train(request, recorder, recorder.stop).status().code(), absl::StatusCode::kAborted);
  const auto best = BestOf(recorder);
  const auto files = FindCheckpoint(request.checkpoint_dir, "best");
  ASSERT_TRUE(files.ok()) << files.status();
  EXPECT_EQ(files->manifest.step(), best.second);
  EXPECT_EQ(WeightsOf(request, best.second), WeightsOf(every, best.second));
}

// Killed before each of its checkpoints can be seen, in turn.
TEST_F(SaveTest, AfterACrashTheBestOnesAreTheSame) {
  for (const std::string more : {"", "checkpoint { every_steps: 7 }",
                                 "early_stopping { metric: METRIC_TRAIN_LOSS patience: 100 restore_best: true }"}) {
    Recorder all, undisturbed;
    const TrainRequest whole = Request(absl::StrCat("whole", more.size()), absl::StrCat(kSparing, more));
    Run(whole, undisturbed);
    const auto best = FindCheckpoint(whole.checkpoint_dir, "best");
    ASSERT_TRUE(best.ok()) << best.status();
    for (int kill_at = 2; kill_at < 8; ++kill_at) {
      SCOPED_TRACE(absl::StrCat(more, " ", kill_at));
      const TrainRequest request =
          Request(absl::StrCat("killed", more.size(), "_", kill_at), absl::StrCat(kSparing, more));
      KillableRecorder recorder;
      recorder.kill_at = kill_at;
      const absl::Status status = Train(request, recorder, recorder.stop).status();
      if (status.ok()) break;  // It has not so many.
      EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
      Recorder again;
      Run(request, again);
      EXPECT_EQ(Weights(request, true), Weights(whole, true));
      const auto found = FindCheckpoint(request.checkpoint_dir, "best");
      ASSERT_TRUE(found.ok()) << found.status();
      EXPECT_EQ(found->manifest.step(), best->manifest.step());
      EXPECT_EQ(WeightsOf(request, found->manifest.step()), WeightsOf(whole, best->manifest.step()));
    }
  }
}

// A server that takes long to store the events keeps the checkpoint of step 7 back, but not the training; and the
// checkpoint has the weights of its step.
TEST_F(SaveTest, TheTrainingGoesOnMeanwhile) {
  class Slow : public Recorder {
   public:
    absl::Status Flush() override {
      if (++flushes_ == 1) return absl::OkStatus();  // Of step 0, before the training.
      absl::MutexLock lock(&mutex_);
      const auto reached = [this] { return step_ >= 12; };
      EXPECT_TRUE(mutex_.AwaitWithTimeout(absl::Condition(&reached), absl::Minutes(2))) << "it waits for a checkpoint";
      return absl::OkStatus();
    }
    void Heartbeat(uint64_t step) override {
      absl::MutexLock lock(&mutex_);
      step_ = step;
    }

   private:
    absl::Mutex mutex_;
    uint64_t step_ = 0;
    int flushes_ = 0;
  };
  const std::string job = "steps: 12 data { evaluation_split: 'none' } checkpoint { keep_last: 100 every_steps: ";
  const TrainRequest request = Request("slow", absl::StrCat(job, "7 }")),
                     every = Request("every", absl::StrCat(job, "1 }"));
  Slow recorder;
  ASSERT_TRUE(Train(request, recorder, recorder.stop).ok());
  Recorder other;
  Run(every, other);
  EXPECT_THAT(Steps(request), ElementsAre(0, 7, 12));
  EXPECT_EQ(WeightsOf(request, 7), WeightsOf(every, 7));
}

}  // namespace
}  // namespace traind::core
