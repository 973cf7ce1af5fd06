// Jobs whose numbers are no longer finite: they fail, say where, and leave no checkpoint with such a number.
#include <cmath>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/checkpoint/checkpoint_dir.h"
#include "core/checkpoint/safetensors.h"
#include "core/train/train.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/text_proto.h"
#include "tests/support/train_run.h"

namespace traind::core {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class NotFinite : public testing::Test {
 protected:
  // 24 examples of `scale` times numbers in [-1, 1].
  v1::Dataset Import(const std::string& id, const Shape& shape, int classes, float scale) {
    std::vector<float> examples(24 * Elements(shape)), targets(24);
    std::vector<int32_t> labels(24);
    for (size_t i = 0; i < examples.size(); ++i) examples[i] = scale * Number(static_cast<int>(i));
    for (int i = 0; i < 24; ++i) {
      targets[i] = Number(i);
      labels[i] = classes > 0 ? i % classes : 0;
    }
    Shape dims = shape;
    dims.insert(dims.begin(), 24);
    const std::string x = absl::StrCat(folder_.path(), "/", id, ".x.npy");
    const std::string y = absl::StrCat(folder_.path(), "/", id, ".y.npy");
    WriteBytes(x, NpyOf(examples, dims));
    WriteBytes(y, classes > 0 ? NpyOf(labels) : NpyOf(targets, {24, 1}));
    return ImportTwoSplits(id, folder_.path(), x, y);
  }

  // The error of a job, none of whose checkpoints may hold a number that is not finite.
  std::string Error(const v1::Dataset& dataset, const std::string& job) {
    const TrainRequest request = RequestOf(
        absl::StrCat("job", ++jobs_),
        FromText<v1::JobSpec>(absl::StrCat("seed: 3 batch_size: 8 checkpoint { every { seconds: 0 } } ", job)), dataset,
        folder_.path());
    Recorder recorder;
    const absl::Status status = Train(request, recorder, recorder.stop).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kAborted) << status;
    for (const v1::Event& event : recorder.Of(v1::Event::kEvaluation)) {
      EXPECT_TRUE(std::isfinite(event.evaluation().loss()) || !event.evaluation().best());
    }
    for (const auto& [name, values] : Weights(request, /*state=*/true)) {
      for (float value : values) EXPECT_TRUE(std::isfinite(value)) << name;
    }
    return std::string(status.message());
  }

  const TemporaryFolder folder_{TemporaryFolder::Place::kMemory};
  int jobs_ = 0;
};

// The relu of the normalization makes zeros of the NaN, so that the loss stays a number.
TEST_F(NotFinite, BehindANormalizationWithRelu) {
  const v1::Dataset images = Import("images", {3, 8, 8}, 5, 1);
  for (const std::string extra : {"", "metrics_every_steps: 1", "statistics { every_steps: 1 }"}) {
    const std::string error = Error(images, absl::StrCat(R"(data { dataset: 'images' } network {
      layers { name: 'conv' conv2d { out_channels: 6 kernel: 3 } }
      layers { name: 'norm' batch_norm {} activation { relu {} } }
      layers { name: 'out' dense { units: 5 } } }
      steps: 12 optimizer { sgd {} learning_rate: 1e20 } )",
                                                         extra));
    EXPECT_THAT(error, AllOf(HasSubstr("step "), HasSubstr("\""), HasSubstr("lower the learning rate"))) << extra;
  }
}

TEST_F(NotFinite, OfFeaturesBeyondTheRangeOfANormalization) {
  const v1::Dataset wide = Import("wide", {12}, 5, 1e25f);
  EXPECT_THAT(Error(wide, R"(data { dataset: 'wide' } network {
      layers { name: 'norm' batch_norm {} activation { relu {} } } layers { name: 'out' dense { units: 5 } } } steps: 2)"),
              HasSubstr("\"norm.running_var\""));
}

// The loss of the only step is finite; its update is not.
TEST_F(NotFinite, AfterTheLastUpdate) {
  const v1::Dataset wide = Import("wide", {12}, 0, 1e20f);
  const std::string job = R"(data { dataset: 'wide' } network { layers { name: 'out' dense { units: 1 } } } steps: 1
      loss { mean_squared_error {} } optimizer { sgd {} learning_rate: 0.1 } )";
  const std::string error = Error(wide, job);
  EXPECT_THAT(error, AllOf(HasSubstr("step 1"), HasSubstr("\"out.weight\"")));
}

TEST_F(NotFinite, InTheStateOfTheOptimizer) {
  const v1::Dataset wide = Import("wide", {12}, 0, 1e12f);
  EXPECT_THAT(Error(wide, R"(data { dataset: 'wide' } network { layers { name: 'out' dense { units: 1 } } } steps: 1
      loss { mean_squared_error {} } optimizer { adam {} })"),
              HasSubstr("\"out.weight/exp_avg_sq\""));
}

// The last update leaves numbers, whose products are none.
TEST_F(NotFinite, AnEvaluationIsNeverTheBest) {
  const v1::Dataset images = Import("images", {12}, 5, 1);
  const TrainRequest request =
      RequestOf("job", FromText<v1::JobSpec>(R"(data { dataset: 'images' } seed: 3 batch_size: 8
      network { layers { name: 'h' dense { units: 6 } } layers { name: 'out' dense { units: 5 } } } steps: 1
      optimizer { sgd {} learning_rate: 1e37 })"),
                images, folder_.path());
  Recorder recorder;
  const auto result = Train(request, recorder, recorder.stop);
  ASSERT_TRUE(result.ok()) << result.status();
  const v1::EvaluationMetrics evaluation = recorder.Last(v1::Event::kEvaluation).evaluation();
  EXPECT_FALSE(std::isfinite(evaluation.loss())) << evaluation.loss() << ", for this test to say anything";
  EXPECT_FALSE(evaluation.best());
  EXPECT_EQ(FindCheckpoint(request.checkpoint_dir, "latest")->manifest.step(), 1u);
  EXPECT_TRUE(absl::IsNotFound(FindCheckpoint(request.checkpoint_dir, "best").status()));
}

TEST_F(NotFinite, AfterThePreprocessing) {
  const v1::Dataset images = Import("images", {12}, 5, 1e30f);
  EXPECT_THAT(Error(images, R"(data { dataset: 'images' preprocessing { scale { factor: 1e30 } } } network {
      layers { name: 'out' dense { units: 5 } activation { relu {} } } } steps: 2)"),
              HasSubstr("the examples of step 1 are not all finite numbers after the preprocessing"));
}

TEST_F(NotFinite, WeightsToBeginWithAreRefused) {
  const v1::Dataset images = Import("images", {12}, 5, 1);
  TrainRequest request = RequestOf("job", FromText<v1::JobSpec>(R"(data { dataset: 'images' } batch_size: 8 steps: 2
      network { layers { name: 'out' dense { units: 5 } activation { relu {} } } } )"),
                                   images, folder_.path());
  request.weights_path = folder_ / "weights.safetensors";
  std::vector<Tensor> tensors = {{"out.weight", {5, 12}, std::vector<float>(60, 0.5f)},
                                 {"out.bias", {5}, {0, 0, 0, 0, 0}}};
  tensors[0].values[17] = std::nanf("");
  ASSERT_TRUE(WriteSafetensors(request.weights_path, SourcesOf(tensors)).ok());
  Recorder recorder;
  const absl::Status status = Train(request, recorder, recorder.stop).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("out.weight: has values that are not finite"));
}

}  // namespace
}  // namespace traind::core
