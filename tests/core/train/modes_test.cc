// The loss of one training minibatch in both modes, which an evaluation tells.
#include <gmock/gmock.h>

#include <cmath>
#include <string>
#include <vector>

#include "google/protobuf/text_format.h"
#include "tests/support/recorder.h"
#include "tests/support/train_run.h"

namespace traind::core {
namespace {

// All 80 examples in each step and each evaluation, in the same order.
constexpr char kWhole[] = R"(
    data { dataset: "images" preprocessing { standardize {} } }
    optimizer { learning_rate: 0.05 } batch_size: 80 sampling: SAMPLING_SEQUENTIAL seed: 7 steps: 6
    evaluation { every_steps: 1 } metrics_every_steps: 1)";
constexpr char kDropout[] = R"(
    network {
      layers { name: "hidden" dense { units: 16 } activation { relu {} } }
      layers { name: "drop" dropout { rate: 0.5 } }
      layers { name: "out" dense { units: 5 } }
    })";

std::string Normalized(const std::string& momentum) {
  return R"(network {
      layers { name: "conv" conv2d { out_channels: 5 kernel: 3 } }
      layers { name: "norm" batch_norm { momentum: )" +
         momentum + R"( } activation { relu {} } }
      layers { name: "out" dense { units: 5 } }
    })";
}

class ModesTest : public testing::Test {
 protected:
  TrainRequest Request(const std::string& spec) {
    v1::JobSpec job;
    EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(spec, &job));
    return RequestOf("job" + std::to_string(jobs_++), job, dataset_, folder_.path(), /*threads=*/1);
  }
  void Run(const std::string& spec, Recorder& recorder) {
    const auto result = Train(Request(spec), recorder, recorder.stop);
    ASSERT_TRUE(result.ok()) << result.status();
  }

  const TemporaryFolder folder_{TemporaryFolder::Place::kMemory};
  const v1::Dataset dataset_ = ImportGoldenImages(folder_.path());
  int jobs_ = 0;
};

// The weights before a step are those that the evaluation before has seen; the two splits have the same examples.
TEST_F(ModesTest, TheTestModesLossIsWhatTheEvaluationBeforeFound) {
  Recorder recorder;
  Run(std::string(kDropout) + kWhole, recorder);
  const std::vector<v1::Event>& evaluations = recorder.Of(v1::Event::kEvaluation);
  ASSERT_EQ(evaluations.size(), 6u);
  for (size_t i = 1; i < evaluations.size(); ++i) {
    const double before = evaluations[i - 1].evaluation().loss();
    EXPECT_NEAR(evaluations[i].evaluation().minibatch_test_mode_loss(), before, 1e-6 * before) << i;
    EXPECT_NE(evaluations[i].evaluation().minibatch_test_mode_loss(), evaluations[i].evaluation().loss()) << i;
  }
}

TEST_F(ModesTest, TheTrainingModesLossIsThatOfTheStepWithoutSmoothing) {
  Recorder plain, smoothed;
  Run(std::string(kDropout) + kWhole, plain);
  for (uint64_t step = 1; step <= 6; ++step) {
    EXPECT_DOUBLE_EQ(plain.At(v1::Event::kEvaluation, step).evaluation().minibatch_train_mode_loss(),
                     plain.At(v1::Event::kTrain, step).train().loss());
  }
  Run(std::string(kDropout) + kWhole + " loss { softmax_cross_entropy { label_smoothing: 0.2 } }", smoothed);
  const double loss = plain.At(v1::Event::kTrain, 1).train().loss();
  EXPECT_NE(smoothed.At(v1::Event::kTrain, 1).train().loss(), loss);
  EXPECT_DOUBLE_EQ(smoothed.At(v1::Event::kEvaluation, 1).evaluation().minibatch_train_mode_loss(), loss);
}

// With a momentum of 1 the running statistics are those of the minibatch itself, but for n / (n - 1).
TEST_F(ModesTest, RunningStatisticsThatFollowAtOnceGiveTheSameLossAndLazyOnesDoNot) {
  Recorder at_once, lazy;
  Run(Normalized("1") + kWhole, at_once);
  Run(Normalized("0.001") + kWhole, lazy);
  for (uint64_t step = 1; step <= 6; ++step) {
    const auto same = at_once.At(v1::Event::kEvaluation, step).evaluation();
    EXPECT_NEAR(same.minibatch_test_mode_loss(), same.minibatch_train_mode_loss(),
                1e-3 * same.minibatch_train_mode_loss());
    EXPECT_NE(same.minibatch_test_mode_loss(), same.minibatch_train_mode_loss());
  }
  const auto other = lazy.At(v1::Event::kEvaluation, 6).evaluation();
  EXPECT_GT(std::abs(other.minibatch_test_mode_loss() / other.minibatch_train_mode_loss() - 1), 0.01);
}

TEST_F(ModesTest, WhereBothModesAreTheSameNothingIsSaid) {
  Recorder recorder;
  Run(R"(network { layers { name: "out" dense { units: 5 } } })" + std::string(kWhole), recorder);
  ASSERT_EQ(recorder.Of(v1::Event::kEvaluation).size(), 6u);
  for (const v1::Event& event : recorder.Of(v1::Event::kEvaluation)) {
    EXPECT_FALSE(event.evaluation().has_minibatch_train_mode_loss());
    EXPECT_FALSE(event.evaluation().has_minibatch_test_mode_loss());
  }
}

// To the bit: weights, running statistics, masks and the optimizer's state.
TEST_F(ModesTest, TrainingIsTheSameAsWithoutAnyEvaluation) {
  for (const std::string& more : {Normalized("0.1"), std::string(kDropout)}) {
    const TrainRequest often = Request(more + kWhole);
    v1::JobSpec never_spec = often.spec;
    never_spec.mutable_evaluation()->set_every_steps(6);
    TrainRequest never = often;
    never.spec = never_spec;
    never.checkpoint_dir += "_never";
    Recorder a, b;
    ASSERT_TRUE(Train(often, a, a.stop).ok());
    ASSERT_TRUE(Train(never, b, b.stop).ok());
    EXPECT_EQ(b.Of(v1::Event::kEvaluation).size(), 1u);
    EXPECT_EQ(Weights(often, /*state=*/true), Weights(never, /*state=*/true));
    ASSERT_EQ(a.Of(v1::Event::kTrain).size(), b.Of(v1::Event::kTrain).size());
    for (size_t i = 0; i < a.Of(v1::Event::kTrain).size(); ++i) {
      EXPECT_EQ(a.Of(v1::Event::kTrain)[i].SerializeAsString(), b.Of(v1::Event::kTrain)[i].SerializeAsString());
    }
    EXPECT_EQ(a.At(v1::Event::kEvaluation, 6).evaluation().minibatch_test_mode_loss(),
              b.At(v1::Event::kEvaluation, 6).evaluation().minibatch_test_mode_loss());
  }
}

TEST_F(ModesTest, AResumeTellsTheSameNumbers) {
  const TrainRequest whole = Request(Normalized("0.1") + kWhole), broken = Request(Normalized("0.1") + kWhole);
  Recorder a, b;
  TrainInParts(whole, a, {0});
  TrainInParts(broken, b, {1, 2, 4, 0});
  ASSERT_EQ(a.Of(v1::Event::kEvaluation).size(), 6u);
  for (uint64_t step = 1; step <= 6; ++step) {
    EXPECT_TRUE(a.At(v1::Event::kEvaluation, step).evaluation().has_minibatch_test_mode_loss());
    EXPECT_EQ(a.At(v1::Event::kEvaluation, step).SerializeAsString(),
              b.At(v1::Event::kEvaluation, step).SerializeAsString());
  }
}

}  // namespace
}  // namespace traind::core
