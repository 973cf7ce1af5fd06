// A part of the training split held out, a test split for the end, the best by any number, and running means: in the
// step loop, and the same after every stop and kill.
#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/checkpoint/checkpoint_dir.h"
#include "core/data/input_pipeline.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/core/train/job_life.h"

namespace traind::core {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

constexpr char kHeldOut[] = "data { validation_fraction: 0.25 } ";

class ValidationTest : public JobLife {
 protected:
  // What Evaluate makes of a checkpoint of the job, on what its spec says but for `split`.
  static v1::EvaluationMetrics EvaluationOf(const TrainRequest& request, const std::string& step,
                                            const std::string& split) {
    const auto files = FindCheckpoint(request.checkpoint_dir, step);
    EXPECT_TRUE(files.ok()) << files.status();
    InferenceRequest inference{.spec = request.spec,
                               .dataset_dir = request.dataset_dir,
                               .weights_path = files->weights_path(),
                               .preprocessing_path = files->preprocessing_path()};
    inference.spec.mutable_data()->set_evaluation_split(split);
    const auto metrics = Evaluate(inference);
    EXPECT_TRUE(metrics.ok()) << metrics.status();
    return metrics.value_or(v1::EvaluationMetrics());
  }
};

TEST_F(ValidationTest, TrainsWithoutWhatIsHeldOutAndTestsOnceInTheEnd) {
  const TrainRequest request = Request("held_out", kHeldOut);
  Recorder recorder;
  Run(request, recorder);
  const int64_t all = FindSplit(dataset_, "train")->num_examples();
  const auto& evaluations = recorder.Of(v1::Event::kEvaluation);
  ASSERT_FALSE(evaluations.empty());
  for (const v1::Event& event : evaluations) {
    EXPECT_EQ(event.evaluation().split(), "validation");
    EXPECT_EQ(event.evaluation().examples(), all / 4);
  }
  ASSERT_EQ(recorder.Of(v1::Event::kTest).size(), 1u);
  const v1::Event& test = recorder.Last(v1::Event::kTest);
  EXPECT_EQ(test.step(), 30u);
  EXPECT_EQ(test.test().split(), "test");
  EXPECT_EQ(test.test().examples(), all) << "the copy of all of it";
  EXPECT_FALSE(test.test().best());
  EXPECT_EQ(recorder.Last(v1::Event::kData).data().examples(), all - all / 4);
  EXPECT_EQ(recorder.Last(v1::Event::kData).data().evaluation().split(), "validation");
  EXPECT_EQ(recorder.Last(v1::Event::kData).data().evaluation().examples(), all / 4);
  EXPECT_THAT(recorder.Of(v1::Event::kLog).front().log().text(),
              HasSubstr(absl::StrCat(all / 4, " examples of the split \"train\" are held out")));
  // Both can be looked at again.
  EXPECT_EQ(EvaluationOf(request, "latest", "validation").loss(), evaluations.back().evaluation().loss());
  EXPECT_EQ(EvaluationOf(request, "latest", "test").loss(), test.test().loss());
}

// The mean of a standardization per feature is that of the part that is trained on, computed here in double.
TEST_F(ValidationTest, PreprocessingIsFittedOnTheTrainingPartAlone) {
  const TrainRequest request = Request("fitted", absl::StrCat(kHeldOut, "steps: 0"));
  Recorder recorder;
  Run(request, recorder);
  const auto train = OpenTrainingSplit(request.dataset_dir, request.spec.data());
  ASSERT_TRUE(train.ok());
  const int64_t features = train->example_elements();
  double least = std::numeric_limits<double>::infinity(), largest = -least;
  for (int64_t k = 0; k < features; ++k) {
    double sum = 0;
    for (int64_t i = 0; i < train->size(); ++i) {
      const void* example = train->example(i);
      sum += train->element_type() == v1::ELEMENT_TYPE_UINT8 ? static_cast<const uint8_t*>(example)[k]
                                                             : static_cast<const float*>(example)[k];
    }
    least = std::min(least, sum / static_cast<double>(train->size()));
    largest = std::max(largest, sum / static_cast<double>(train->size()));
  }
  const v1::DataMoments& before = recorder.Last(v1::Event::kPreprocessing).preprocessing().before();
  EXPECT_NEAR(before.mean_min(), least, 1e-6 * std::abs(least) + 1e-9);
  EXPECT_NEAR(before.mean_max(), largest, 1e-6 * std::abs(largest) + 1e-9);
  EXPECT_NEAR(recorder.Last(v1::Event::kPreprocessing).preprocessing().after().mean_max(), 0, 1e-5);
  EXPECT_EQ(recorder.Of(v1::Event::kTest).size(), 1u) << "of the initial weights";
}

TEST_F(ValidationTest, TheTestIsOfTheWeightsThatAreLeft) {
  const std::string stops = "evaluation { every_steps: 4 } early_stopping { patience: 2 min_delta: 100 ";
  const TrainRequest request = Request("restored", absl::StrCat(kHeldOut, stops, "restore_best: true }"));
  Recorder recorder;
  EXPECT_EQ(Run(request, recorder).step, 12u);
  ASSERT_EQ(recorder.Of(v1::Event::kTest).size(), 1u);
  const v1::Event& test = recorder.Last(v1::Event::kTest);
  EXPECT_EQ(test.step(), 12u);
  EXPECT_EQ(test.test().weights_step(), 4u);
  EXPECT_EQ(test.test().loss(), EvaluationOf(request, "12", "test").loss());
  EXPECT_EQ(test.test().loss(), EvaluationOf(request, "4", "test").loss());
  const TrainRequest plain = Request("last", absl::StrCat(kHeldOut, stops, "}"));
  Recorder other;
  Run(plain, other);
  EXPECT_FALSE(other.Last(v1::Event::kTest).test().has_weights_step());
  EXPECT_NE(other.Last(v1::Event::kTest).test().loss(), test.test().loss());
}

TEST_F(ValidationTest, ATestEachTimeAndNoneWithoutASplit) {
  const TrainRequest request =
      Request("each", absl::StrCat(kHeldOut, "evaluation { every_steps: 10 test_every_time: true }"));
  Recorder recorder;
  Run(request, recorder);
  std::vector<uint64_t> steps;
  for (const v1::Event& event : recorder.Of(v1::Event::kTest)) steps.push_back(event.step());
  EXPECT_EQ(steps, (std::vector<uint64_t>{10, 20, 30}));
  const TrainRequest none = Request("none", "data { validation_fraction: 0.25 test_split: 'none' }");
  Recorder other;
  Run(none, other);
  EXPECT_THAT(other.Of(v1::Event::kTest), IsEmpty());
  const TrainRequest alone = Request("alone", "data { evaluation_split: 'none' test_split: 'test' }");
  Recorder third;
  Run(alone, third);
  EXPECT_THAT(third.Of(v1::Event::kEvaluation), IsEmpty());
  EXPECT_EQ(third.Of(v1::Event::kTest).size(), 1u);
  EXPECT_EQ(third.Last(v1::Event::kTest).test().loss(), EvaluationOf(alone, "latest", "test").loss());
}

// By a number that is better the larger it is, and by one that is the other way round.
TEST_F(ValidationTest, TheBestIsByTheMetricOfTheJob) {
  for (const std::string metric : {"macro_f1", "calibration_error", "top_2_accuracy"}) {
    const TrainRequest request =
        Request(metric, absl::StrCat(kHeldOut, "evaluation { every_steps: 3 } optimizer { learning_rate: 0.3 } ",
                                     "checkpoint { every_steps: 3 keep_last: 100 best_metric: '", metric, "' }"));
    Recorder recorder;
    Run(request, recorder);
    const bool more_is_better = metric != "calibration_error";
    std::optional<double> best;
    uint64_t step = 0;
    for (const v1::Event& event : recorder.Of(v1::Event::kEvaluation)) {
      const auto& classification = event.evaluation().classification();
      const double value = metric == "macro_f1"            ? classification.macro_f1()
                           : metric == "calibration_error" ? classification.calibration_error()
                                                           : classification.top_k_accuracy(1);
      EXPECT_EQ(event.evaluation().best_metric(), metric);
      EXPECT_EQ(event.evaluation().best_metric_value(), value);
      const bool better = !best.has_value() || (more_is_better ? value > *best : value < *best);
      EXPECT_EQ(event.evaluation().best(), better) << metric << " of step " << event.step();
      if (!better) continue;
      best = value;
      step = event.step();
    }
    const auto files = FindCheckpoint(request.checkpoint_dir, "best");
    ASSERT_TRUE(files.ok()) << files.status();
    EXPECT_EQ(files->manifest.step(), step) << metric;
    EXPECT_EQ(files->manifest.evaluation_value(), *best) << metric;
    EXPECT_EQ(*BestStep(request.checkpoint_dir), static_cast<int64_t>(step));
  }
}

// Of the losses that every step has, in double.
TEST_F(ValidationTest, RunningMeansAreOverTheStepsSinceTheCadence) {
  Recorder every, seventh;
  Run(Request("every"), every);
  const TrainRequest request = Request("seventh", "metrics_every_steps: 7");
  Run(request, seventh);
  std::vector<uint64_t> steps;
  for (const v1::Event& event : seventh.Of(v1::Event::kTrain)) {
    steps.push_back(event.step());
    const uint64_t first = event.step() == 1 ? 1 : (event.step() - 1) / 7 * 7 + 1;
    EXPECT_EQ(event.train().mean_steps(), event.step() - first + 1);
    double loss = 0, right = 0, examples = 0;
    for (uint64_t step = first; step <= event.step(); ++step) {
      const v1::TrainMetrics& one = every.At(v1::Event::kTrain, step).train();
      const double batch = 8;  // Epochs of whole minibatches.
      loss += batch * one.loss();
      right += batch * one.accuracy();
      examples += batch;
    }
    EXPECT_NEAR(event.train().mean_loss(), loss / examples, 1e-12 * loss) << event.step();
    EXPECT_NEAR(event.train().mean_accuracy(), right / examples, 1e-12) << event.step();
  }
  EXPECT_EQ(steps, (std::vector<uint64_t>{1, 7, 14, 21, 28, 30}));
}

// Every step, stopped and killed: the same weights, the same events, the test among them.
TEST_F(ValidationTest, EveryResumeRepeatsTheSame) {
  const std::string more =
      absl::StrCat(kHeldOut, "metrics_every_steps: 4 evaluation { every_steps: 3 test_every_time: true } ",
                   "optimizer { learning_rate: 0.3 } early_stopping { restore_best: true patience: 3 } steps: 16 ",
                   "checkpoint { every_steps: 2 keep_last: 1 best_metric: 'macro_f1' }");
  const TrainRequest whole = Request("whole", more);
  KillableRecorder undisturbed;
  const TrainResult end = Run(whole, undisturbed);
  const auto expect_same = [&](const TrainRequest& request, Recorder& recorder, const TrainResult& result) {
    EXPECT_EQ(result.step, end.step);
    EXPECT_EQ(Weights(request, true), Weights(whole, true));
    EXPECT_EQ(Told(recorder), Told(undisturbed));
    EXPECT_EQ(FindCheckpoint(request.checkpoint_dir, "latest")->manifest.running().DebugString(),
              FindCheckpoint(whole.checkpoint_dir, "latest")->manifest.running().DebugString());
  };
  for (uint64_t stop = 1; stop < end.step; ++stop) {
    SCOPED_TRACE(absl::StrCat("stopped after step ", stop));
    const TrainRequest request = Request(absl::StrCat("stopped", stop), more);
    Recorder recorder;
    Run(request, recorder, stop);
    expect_same(request, recorder, Run(request, recorder));
  }
  for (int kill = 2; kill <= undisturbed.flushes; ++kill) {
    SCOPED_TRACE(absl::StrCat("killed at flush ", kill));
    const TrainRequest request = Request(absl::StrCat("killed", kill), more);
    KillableRecorder recorder;
    recorder.kill_at = kill;
    EXPECT_FALSE(Train(request, recorder, recorder.stop).ok());
    expect_same(request, recorder, Run(request, recorder));
  }
}

// Of 5 folds each example is evaluated by one run and trained on by the four others.
TEST_F(ValidationTest, FoldsEvaluateEveryExampleOnce) {
  int64_t evaluated = 0, trained = 0;
  const int64_t all = FindSplit(dataset_, "train")->num_examples();
  for (int index = 0; index < 5; ++index) {
    const TrainRequest request =
        Request(absl::StrCat("fold", index), absl::StrCat("data { folds { count: 5 index: ", index, " } } steps: 1"));
    Recorder recorder;
    Run(request, recorder);
    evaluated += recorder.Last(v1::Event::kEvaluation).evaluation().examples();
    trained += recorder.Last(v1::Event::kData).data().examples();
  }
  EXPECT_EQ(evaluated, all);
  EXPECT_EQ(trained, 4 * all);
}

}  // namespace
}  // namespace traind::core
