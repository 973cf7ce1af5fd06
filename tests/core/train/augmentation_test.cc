// Augmentation and test-time averaging in whole jobs: exact resumes, soft labels, what evaluation and Predict see.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/sample.h"
#include "core/checkpoint/checkpoint_dir.h"
#include "core/data/augmentation/augmenter.h"
#include "core/data/batch_loader.h"
#include "core/data/dataset_dir.h"
#include "core/train/train.h"
#include "google/protobuf/text_format.h"
#include "tests/support/file_formats.h"
#include "tests/support/layer_run.h"
#include "tests/support/train_run.h"

namespace traind::core {
namespace {

constexpr char kNetwork[] = R"(
    network {
      layers { name: "conv" conv2d { out_channels: 4 kernel: 3 } activation { relu {} } }
      layers { name: "pool" global_avg_pool {} }
      layers { name: "drop" dropout { rate: 0.2 } }
      layers { name: "out" dense { units: 3 } }
    }
    optimizer { sgd { momentum: 0.9 } learning_rate: 0.05 } batch_size: 8 seed: 7 metrics_every_steps: 1
    checkpoint { every { seconds: 0 } } steps: 20 )";

constexpr char kEverything[] = R"(
    data {
      dataset: "colours" preprocessing { standardize { grouping: GROUPING_PER_CHANNEL } }
      augmentation { scale_jitter { min_side: 9 max_side: 14 height: 8 width: 8 } }
      augmentation { horizontal_flip {} }
      augmentation { pad_and_crop { padding: 1 border: BORDER_REFLECT } }
      augmentation { color_jitter { contrast: 0.2 brightness: 0.2 saturation: 0.2 hue: 0.1 } }
      augmentation { pca_lighting {} }
      augmentation { translate { max_fraction: 0.1 } }
      augmentation { rotate { max_degrees: 20 } }
      augmentation { stretch { max_factor: 1.2 } }
      augmentation { shear { max_degrees: 10 } }
      augmentation { lens_distortion { max_strength: 0.2 } }
      augmentation { cutout { size: 3 } }
      augmentation { mixup {} probability: 0.7 }
      augmentation { cutmix {} probability: 0.5 }
    } )";

// The kinds that came later.
constexpr char kMore[] = R"(
    data {
      dataset: "colours" preprocessing { standardize { grouping: GROUPING_PER_CHANNEL } }
      augmentation { vertical_flip {} }
      augmentation { gaussian_blur {} }
      augmentation { gaussian_noise {} }
      augmentation { one_of {
        choices { cutout { size: 3 } } choices { rotate { max_degrees: 20 } } choices { pca_lighting {} }
        weights: [2, 1, 1]
      } }
      augmentation { rand_augment {} }
      augmentation { trivial_augment {} probability: 0.5 }
      augmentation { random_erasing {} }
      augmentation { one_of { choices { mixup {} } choices { cutmix {} } } probability: 0.7 }
    } )";

// The network's input is neither what is stored nor what the crop leaves.
constexpr char kAxes[] = R"(
    data {
      dataset: "colours" preprocessing { scale {} } preprocessing { pca { components: 12 } }
      augmentation { random_resized_crop { height: 8 width: 8 } }
      augmentation { mixup {} }
    } )";
constexpr char kDense[] = R"(
    network {
      layers { name: "hidden" dense { units: 16 } activation { relu {} } }
      layers { name: "out" dense { units: 3 } }
    }
    optimizer { sgd {} learning_rate: 0.05 } batch_size: 8 seed: 7 metrics_every_steps: 1
    data_initialization { lsuv {} } checkpoint { every { seconds: 0 } } steps: 20 )";

constexpr char kPlain[] =
    "data { dataset: 'colours' preprocessing { scale {} } augmentation { random_resized_crop { height: 8 width: 8 } } "
    "}";

// Thirty-two 3x10x12 images of three classes, as bytes and as floats.
class AugmentedTraining : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    const bool bytes = GetParam();
    const RandomStream random(1, Purpose::kProbeInput, 0);
    std::vector<uint8_t> images(32 * 3 * 120);
    for (size_t i = 0; i < images.size(); ++i) {
      const auto word = random.Block(0, static_cast<uint32_t>(i), 0)[0];
      images[i] = static_cast<uint8_t>((word >> 25) + (i / 360 % 3 == i / 120 % 3 ? 100 : 20));
    }
    std::vector<int32_t> labels(32);
    for (int i = 0; i < 32; ++i) labels[i] = i % 3;
    const std::string shape = "(32, 3, 10, 12)";
    WriteBytes(folder_ / "x", bytes ? Npy("|u1", shape, RawBytes(images))
                                    : Npy("<f4", shape, RawBytes(std::vector<float>(images.begin(), images.end()))));
    WriteBytes(folder_ / "y", Npy("<i4", "(32,)", RawBytes(labels)));
    dataset_ = ImportTwoSplits("colours", folder_.path(), folder_ / "x", folder_ / "y");
  }

  TrainRequest Request(const std::string& name, const std::string& data, const std::string& network = kNetwork) {
    v1::JobSpec spec;
    EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(network + data, &spec));
    return RequestOf(name, spec, dataset_, folder_.path());
  }

  TemporaryFolder folder_;
  v1::Dataset dataset_;
};

// The job uses every kind, and stops in the middle of an epoch of four steps.
TEST_P(AugmentedTraining, ResumeIsExact) {
  const TrainRequest whole = Request("whole", kEverything), halves = Request("halves", kEverything);
  Recorder undisturbed, disturbed;
  ASSERT_TRUE(Train(whole, undisturbed, undisturbed.stop).ok());
  TrainInParts(halves, disturbed, {3, 10, 0});
  EXPECT_EQ(Weights(whole), Weights(halves));
  EXPECT_EQ(undisturbed.Bytes(), disturbed.Bytes());
  const TrainRequest more = Request("more", kMore), parts = Request("parts", kMore);
  Recorder at_once, in_parts;
  ASSERT_TRUE(Train(more, at_once, at_once.stop).ok());
  TrainInParts(parts, in_parts, {3, 10, 0});
  EXPECT_EQ(Weights(more), Weights(parts));
  EXPECT_EQ(at_once.Bytes(), in_parts.Bytes());
  for (const v1::Event& event : undisturbed.Of(v1::Event::kTrain)) {
    EXPECT_GE(event.train().accuracy(), 0);
    EXPECT_LE(event.train().accuracy(), 1);
  }
}

TEST_P(AugmentedTraining, TheNetworkTakesTheCroppedShapeAndEvaluationDoes) {
  const TrainRequest request = Request("crops", kPlain);
  EXPECT_THAT(request.spec.network().input_shape(), testing::ElementsAre(3, 8, 8));
  Recorder recorder;
  ASSERT_TRUE(Train(request, recorder, recorder.stop).ok());
  EXPECT_EQ(recorder.Last(v1::Event::kEvaluation).evaluation().examples(), 32);
  EXPECT_FALSE(recorder.Last(v1::Event::kEvaluation).evaluation().has_spread());
  EXPECT_LT(recorder.Last(v1::Event::kTrain).train().loss(), 1.5);
}

// The mean over scales, crops and flips equals the mean of the single looks, taken by hand.
TEST_P(AugmentedTraining, PredictAveragesTheLooks) {
  const TrainRequest trained = Request("looks", kPlain);
  Recorder recorder;
  ASSERT_TRUE(Train(trained, recorder, recorder.stop).ok());
  auto newest = FindCheckpoint(trained.checkpoint_dir, "latest");
  ASSERT_TRUE(newest.ok());
  InferenceRequest request{.spec = trained.spec,
                           .dataset_dir = trained.dataset_dir,
                           .weights_path = newest->weights_path(),
                           .preprocessing_path = "",
                           .threads = 2};
  v1::PredictSplitRequest input;
  input.mutable_range()->set_split("test");
  input.mutable_range()->set_count(5);
  auto* test_time = input.mutable_test_time();
  test_time->add_scales(10);
  test_time->set_five_crops(true);
  test_time->set_flips(true);
  const auto averaged = PredictWhole(request, input);
  ASSERT_TRUE(averaged.ok()) << averaged.status();
  ASSERT_EQ(averaged->spread_size(), 15);

  // Each look as an image of its own, cut out by hand: at scale 10 the pixels are the image's own.
  auto split = OpenSplit(trained.dataset_dir, "test");
  ASSERT_TRUE(split.ok());
  const int places[5][2] = {{1, 2}, {0, 0}, {0, 4}, {2, 0}, {2, 4}};
  std::vector<std::vector<double>> looks(15);
  for (const auto& place : places) {
    for (bool flip : {false, true}) {
      v1::PredictRequest one;
      for (int n : {5, 3, 8, 8}) one.mutable_examples()->add_shape(n);
      for (int i = 0; i < 5; ++i) {
        for (int k = 0; k < 3 * 64; ++k) {
          const int c = k / 64, y = k % 64 / 8 + place[0], x = (flip ? 7 - k % 8 : k % 8) + place[1];
          const int at = ((i * 3 + c) * 10 + y) * 12 + x;
          one.mutable_examples()->add_values(GetParam() ? split->uint8_examples()[at] : split->float_examples()[at]);
        }
      }
      const auto look = Predict(request, one);
      ASSERT_TRUE(look.ok()) << look.status();
      for (int k = 0; k < 15; ++k) looks[k].push_back(look->probabilities(k));
    }
  }
  for (int k = 0; k < 15; ++k) {
    double mean = 0, variance = 0;
    for (double value : looks[k]) mean += value / 10;
    for (double value : looks[k]) variance += (value - mean) * (value - mean) / 10;
    EXPECT_NEAR(averaged->probabilities(k), mean, 1e-5);
    EXPECT_NEAR(std::exp(averaged->outputs(k)), mean, 1e-5);
    EXPECT_NEAR(averaged->spread(k), std::sqrt(variance), 1e-5);
  }

  // Evaluate says the loss of the averaged probabilities.
  request.spec.mutable_data()->set_max_evaluation_examples(5);
  *request.spec.mutable_evaluation()->mutable_test_time() = *test_time;
  const auto evaluated = Evaluate(request);
  ASSERT_TRUE(evaluated.ok()) << evaluated.status();
  input.mutable_range()->set_count(split->size());
  const auto all = PredictWhole(request, input);
  ASSERT_TRUE(all.ok()) << all.status();
  double loss = 0, spread = 0;
  for (const uint32_t i : SampleOf(split->size(), 5, split->labels())) {
    loss -= std::log(all->probabilities(static_cast<int>(3 * i) + split->labels()[i])) / 5;
    for (int k = 0; k < 3; ++k) spread += all->spread(static_cast<int>(3 * i) + k) / 15;
  }
  EXPECT_NEAR(evaluated->loss(), loss, 1e-5);
  EXPECT_NEAR(evaluated->spread(), spread, 1e-6);
}

// Stored images, then crops, then their principal axes: each part of a job takes the shape that is its own.
TEST_P(AugmentedTraining, TheAxesAreThoseOfTheCrops) {
  const TrainRequest whole = Request("whole", kAxes, kDense), halves = Request("halves", kAxes, kDense);
  EXPECT_THAT(whole.spec.data().example_shape(), testing::ElementsAre(3, 10, 12));
  EXPECT_THAT(whole.spec.network().input_shape(), testing::ElementsAre(12));
  Recorder undisturbed, disturbed;
  ASSERT_TRUE(Train(whole, undisturbed, undisturbed.stop).ok());
  TrainInParts(halves, disturbed, {3, 0});
  EXPECT_EQ(Weights(whole), Weights(halves));
  EXPECT_EQ(undisturbed.Bytes(), disturbed.Bytes());
  ASSERT_EQ(undisturbed.Of(v1::Event::kPreprocessing).size(), 1u);
  EXPECT_EQ(disturbed.Of(v1::Event::kPreprocessing).size(), 1u);
  const v1::PreprocessingReport& report = undisturbed.Last(v1::Event::kPreprocessing).preprocessing();
  EXPECT_EQ(report.before().features(), 192);
  EXPECT_EQ(report.after().features(), 12);
  // Centred on the looks of evaluation, which are those that it was fitted on.
  EXPECT_NEAR(report.after().mean_max(), 0, 1e-5);

  const auto files = FindCheckpoint(whole.checkpoint_dir, "latest");
  ASSERT_TRUE(files.ok());
  const InferenceRequest request{.spec = whole.spec,
                                 .dataset_dir = whole.dataset_dir,
                                 .weights_path = files->weights_path(),
                                 .preprocessing_path = files->preprocessing_path(),
                                 .threads = 2};
  const auto evaluated = Evaluate(request);
  ASSERT_TRUE(evaluated.ok()) << evaluated.status();
  EXPECT_EQ(evaluated->loss(), undisturbed.Last(v1::Event::kEvaluation).evaluation().loss());
  v1::PredictSplitRequest range;
  range.mutable_range()->set_split("test");
  range.mutable_range()->set_count(5);
  const auto predicted = PredictWhole(request, range);
  ASSERT_TRUE(predicted.ok()) << predicted.status();
  ASSERT_EQ(predicted->outputs_size(), 15);
  // The same images as numbers, in their own shape and as rows of numbers.
  const auto split = OpenSplit(whole.dataset_dir, "test");
  ASSERT_TRUE(split.ok());
  for (const std::vector<int64_t>& shape : {std::vector<int64_t>{5, 3, 10, 12}, {5, 360}}) {
    v1::PredictRequest numbers;
    numbers.mutable_examples()->mutable_shape()->Assign(shape.begin(), shape.end());
    for (int k = 0; k < 5 * 360; ++k) {
      const auto pixel = GetParam() ? static_cast<float>(split->uint8_examples()[k]) : split->float_examples()[k];
      numbers.mutable_examples()->add_values(pixel);
    }
    const auto again = Predict(request, numbers);
    ASSERT_TRUE(again.ok()) << again.status();
    // Bytes are resized to bytes.
    for (int k = 0; k < 15; ++k) EXPECT_NEAR(again->outputs(k), predicted->outputs(k), GetParam() ? 0.05 : 0);
  }
}

INSTANTIATE_TEST_SUITE_P(Pixels, AugmentedTraining, testing::Bool(),
                         [](const auto& pixels) { return pixels.param ? "Bytes" : "Floats"; });

// --- Samples of fractional pooling: the prediction is the mean of what each sample's regions give.
TEST(FractionalSamples, AreAveraged) {
  const std::string network =
      "input_shape: [2, 11, 9] layers { name: 'pool' fractional_max_pool { ratio: 1.5 } } "
      "layers { name: 'flat' flatten {} }";
  const TemporaryFolder folder;
  InferenceRequest request{.spec = {}, .dataset_dir = "", .weights_path = "", .preprocessing_path = "", .threads = 2};
  ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(
      absl::StrCat("network { ", network,
                   " } loss { mean_squared_error {} } batch_size: 4 seed: 5 precision: PRECISION_F32"),
      &request.spec));
  request.weights_path = folder / "weights.safetensors";
  ASSERT_TRUE(WriteSafetensors(request.weights_path, {}).ok());
  constexpr int kBatch = 3, kSamples = 5;
  LayerRun run(network, kBatch, v1::PRECISION_F32, /*training=*/false);
  std::vector<double> mean;
  bool differ = false;
  const std::vector<float> first = run.Output(0);
  for (uint64_t sample = 0; sample < kSamples; ++sample) {
    const std::vector<float> output = run.Output(sample);
    mean.resize(output.size());
    for (size_t i = 0; i < output.size(); ++i) mean[i] += output[i] / kSamples;
    differ |= output != first;
  }
  EXPECT_TRUE(differ);
  v1::PredictRequest input;
  for (int n : {kBatch, 2, 11, 9}) input.mutable_examples()->add_shape(n);
  for (float x : run.examples()) input.mutable_examples()->add_values(x);
  for (const int samples : {1, kSamples}) {
    input.mutable_test_time()->set_fractional_samples(samples);
    const auto predicted = Predict(request, input);
    ASSERT_TRUE(predicted.ok()) << predicted.status();
    ASSERT_EQ(predicted->outputs_size(), static_cast<int>(mean.size()));
    for (int i = 0; i < predicted->outputs_size(); ++i) {
      EXPECT_NEAR(predicted->outputs(i), samples == 1 ? first[i] : mean[i], 1e-6) << samples << " samples, " << i;
    }
  }
}

// --- Monte-Carlo dropout on a linear network: y = sum_i m_i w_i x_i / (1 - p) has the mean sum w x and the variance
// p / (1 - p) sum (w x)^2.
class MonteCarlo : public testing::Test {
 protected:
  absl::StatusOr<v1::PredictResponse> Run(double rate, uint32_t samples) {
    InferenceRequest request{.spec = {}, .dataset_dir = "", .weights_path = "", .preprocessing_path = "", .threads = 2};
    EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(
        absl::StrCat("network { input_shape: 6 layers { name: 'drop' dropout { rate: ", rate,
                     " } } layers { name: 'out' dense { units: 1 bias: false } } } "
                     "loss { mean_squared_error {} } batch_size: 4 seed: 5 precision: PRECISION_F32"),
        &request.spec));
    const std::vector<float> weights = {1, -2, 0.5, 3, -1, 2};
    std::vector<Tensor> tensors = {{"out.weight", {1, 6}, weights}};
    request.weights_path = folder_ / "weights.safetensors";
    EXPECT_TRUE(WriteSafetensors(request.weights_path, SourcesOf(tensors)).ok());
    v1::PredictRequest input;
    for (int n : {2, 6}) input.mutable_examples()->add_shape(n);
    for (int i = 0; i < 12; ++i) input.mutable_examples()->add_values(static_cast<float>(i % 7 - 2));
    for (int i = 0; i < 2; ++i) {
      mean_[i] = square_[i] = 0;
      for (int k = 0; k < 6; ++k) {
        const double term = weights[k] * ((6 * i + k) % 7 - 2);
        mean_[i] += term;
        square_[i] += term * term;
      }
    }
    input.mutable_test_time()->set_dropout_samples(samples);
    return Predict(request, input);
  }

  TemporaryFolder folder_;
  double mean_[2], square_[2];
};

TEST_F(MonteCarlo, SpreadIsZeroWithoutDropout) {
  const auto response = Run(0, 20);
  ASSERT_TRUE(response.ok()) << response.status();
  for (int i = 0; i < 2; ++i) {
    EXPECT_NEAR(response->outputs(i), mean_[i], 1e-5);
    EXPECT_EQ(response->spread(i), 0);
  }
}

TEST_F(MonteCarlo, MeanAndSpreadOfALinearNetAreRight) {
  constexpr uint32_t kSamples = 1000;
  const auto response = Run(0.3, kSamples);
  ASSERT_TRUE(response.ok()) << response.status();
  for (int i = 0; i < 2; ++i) {
    const double variance = 0.3 / 0.7 * square_[i];
    EXPECT_NEAR(response->outputs(i), mean_[i], 5 * std::sqrt(variance / kSamples));
    EXPECT_NEAR(response->spread(i), std::sqrt(variance), 0.1 * std::sqrt(variance));
  }
}

TEST_F(MonteCarlo, WithoutSamplesDropoutIsOff) {
  const auto response = Run(0.3, 0);
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_NEAR(response->outputs(0), mean_[0], 1e-5);
  EXPECT_EQ(response->spread_size(), 0);
}

}  // namespace
}  // namespace traind::core
