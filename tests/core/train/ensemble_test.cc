// An ensemble of outputs: its answers are the mean of those of its members, each asked alone; here in float64.
#include <cmath>
#include <string>
#include <vector>

#include "core/checkpoint/checkpoint_dir.h"
#include "core/train/train.h"
#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"
#include "tests/support/train_run.h"

namespace traind::core {
namespace {

using testing::HasSubstr;

class EnsembleTest : public testing::Test {
 protected:
  // A job of its own seed, network and preprocessing on the golden images.
  InferenceRequest Trained(const std::string& spec) {
    v1::JobSpec job;
    EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(
        "data { dataset: 'images' " + spec +
            " steps: 20 optimizer { learning_rate: 0.05 } insight { profile: PROFILE_OFF }",
        &job));
    const TrainRequest request = RequestOf("job" + std::to_string(++jobs_), job, dataset_, folder_.path(), 1);
    Recorder recorder;
    EXPECT_TRUE(Train(request, recorder, recorder.stop).ok());
    const auto files = FindCheckpoint(request.checkpoint_dir, "latest");
    EXPECT_TRUE(files.ok()) << files.status();
    return {.spec = request.spec,
            .dataset_dir = request.dataset_dir,
            .weights_path = files->weights_path(),
            .preprocessing_path = files->preprocessing_path()};
  }
  static InferenceRequest Together(const std::vector<InferenceRequest>& members) {
    InferenceRequest all = members.front();
    for (size_t i = 1; i < members.size(); ++i) {
      all.others.push_back({members[i].spec, members[i].weights_path, members[i].preprocessing_path});
    }
    return all;
  }
  // Of the whole split "test".
  v1::PredictResponse Predicted(const InferenceRequest& request, const v1::TestTime& test_time = {}) {
    v1::PredictSplitRequest input;
    input.mutable_range()->set_split("test");
    input.mutable_range()->set_count(80);
    *input.mutable_test_time() = test_time;
    auto predicted = PredictWhole(request, input);
    EXPECT_TRUE(predicted.ok()) << predicted.status();
    return predicted.value_or(v1::PredictResponse());
  }
  static std::vector<double> Softmax(const v1::PredictResponse& part) {
    constexpr int kOutputs = 5;
    std::vector<double> p(part.outputs().begin(), part.outputs().end());
    for (size_t i = 0; i < p.size(); i += kOutputs) {
      double sum = 0;
      for (int c = 0; c < kOutputs; ++c) sum += std::exp(p[i + c]);
      for (int c = 0; c < kOutputs; ++c) p[i + c] = std::exp(p[i + c]) / sum;
    }
    return p;
  }

  const TemporaryFolder folder_{TemporaryFolder::Place::kMemory};
  const v1::Dataset dataset_ = ImportGoldenImages(folder_.path());
  int jobs_ = 0;
};

constexpr char kSmall[] =
    "preprocessing { standardize {} } } seed: 1 batch_size: 16 network { layers { name: 'o' dense { "
    "units: 5 } } }";
constexpr char kOther[] =
    "preprocessing { scale { factor: 0.01 } } } seed: 2 batch_size: 9 network { layers { name: 'h' "
    "dense { units: 12 } activation { tanh {} } } layers { name: 'd' dropout { rate: 0.2 } } layers "
    "{ name: 'o' dense { units: 5 } } }";
constexpr char kThird[] =
    "preprocessing { standardize {} } } seed: 3 network { layers { name: 'c' conv2d { out_channels: "
    "4 kernel: 3 } activation { relu {} } } layers { name: 'o' dense { units: 5 } } }";

TEST_F(EnsembleTest, ProbabilitiesAreTheMeanOfTheMembers) {
  const std::vector<InferenceRequest> members = {Trained(kSmall), Trained(kOther), Trained(kThird)};
  std::vector<double> mean(80 * 5), log_mean(80 * 5);
  for (const InferenceRequest& member : members) {
    const std::vector<double> p = Softmax(Predicted(member));
    ASSERT_EQ(p.size(), mean.size());
    for (size_t i = 0; i < p.size(); ++i) mean[i] += p[i] / 3;
  }
  const v1::PredictResponse together = Predicted(Together(members));
  ASSERT_EQ(together.probabilities_size(), static_cast<int>(mean.size()));
  ASSERT_EQ(together.spread_size(), static_cast<int>(mean.size()));
  double loss = 0;
  int right = 0;
  for (int i = 0; i < 80; ++i) {
    int best = 0;
    for (int c = 0; c < 5; ++c) {
      EXPECT_NEAR(together.probabilities(5 * i + c), mean[5 * i + c], 1e-5);
      if (mean[5 * i + c] > mean[5 * i + best]) best = c;
    }
    EXPECT_EQ(together.classes(i), best);
    loss -= std::log(mean[5 * i + together.labels(i)]) / 80;
    right += best == together.labels(i) ? 1 : 0;
  }
  const auto metrics = Evaluate(Together(members));
  ASSERT_TRUE(metrics.ok()) << metrics.status();
  EXPECT_EQ(metrics->examples(), 80);
  EXPECT_NEAR(metrics->loss(), loss, 1e-5);
  EXPECT_NEAR(metrics->accuracy(), right / 80.0, 1e-9);
  EXPECT_GT(metrics->spread(), 0);
}

TEST_F(EnsembleTest, EachMemberLooksSeveralTimes) {
  const std::vector<InferenceRequest> members = {Trained(kThird), Trained(kSmall)};
  v1::TestTime test_time;
  test_time.set_flips(true);
  std::vector<double> mean(80 * 5);
  for (const InferenceRequest& member : members) {
    const v1::PredictResponse alone = Predicted(member, test_time);
    for (size_t i = 0; i < mean.size(); ++i) mean[i] += alone.probabilities(static_cast<int>(i)) / 2.0;
  }
  const v1::PredictResponse together = Predicted(Together(members), test_time);
  for (size_t i = 0; i < mean.size(); ++i) EXPECT_NEAR(together.probabilities(static_cast<int>(i)), mean[i], 1e-5);
}

TEST_F(EnsembleTest, OfValuesTheMeanIsTheOutputs) {
  const std::string targets = "targets: TARGET_SOURCE_INPUT ";
  const std::string head = "batch_size: 16 loss { mean_squared_error {} } network { layers { name: 'o' dense { units: ";
  const std::string outputs =
      std::to_string(Elements(Shape(dataset_.example_shape().begin(), dataset_.example_shape().end())));
  const std::vector<InferenceRequest> members = {
      Trained(targets + "preprocessing { scale { factor: 0.01 } } } seed: 1 " + head + outputs + " } } }"),
      Trained(targets + "preprocessing { scale { factor: 0.01 } } } seed: 2 " + head + outputs + " } } }")};
  const v1::PredictResponse a = Predicted(members[0]), b = Predicted(members[1]);
  const v1::PredictResponse both = Predicted(Together(members));
  ASSERT_EQ(both.outputs_size(), a.outputs_size());
  for (int i = 0; i < a.outputs_size(); ++i) {
    ASSERT_NEAR(both.outputs(i), (double{a.outputs(i)} + b.outputs(i)) / 2, 1e-4);
  }
  EXPECT_EQ(both.targets_size(), 0) << "the input is no target that was given";
}

TEST_F(EnsembleTest, MembersOfOtherOutputsAreRefused) {
  const InferenceRequest first = Trained(kSmall);
  InferenceRequest other = first;
  other.spec.mutable_network()->mutable_layers(0)->mutable_dense()->set_units(6);
  const auto refused = Evaluate(Together({first, other}));
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(refused.status().message(), HasSubstr("member 1 of the ensemble"));
}

}  // namespace
}  // namespace traind::core
