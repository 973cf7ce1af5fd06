// The step loop as a worker runs it: on the recorded data of tests/golden, through checkpoints and resumes.
#include "core/train/train.h"

#include <cerrno>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "core/checkpoint/checkpoint_dir.h"
#include "core/data/dataset_dir.h"
#include "core/data/preprocessing/preprocessor.h"
#include "core/onednn/onednn.h"
#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"
#include "tests/support/bytes.h"
#include "tests/support/text_proto.h"
#include "tests/support/train_run.h"

namespace traind::core {
namespace {

using testing::HasSubstr;

class TrainTest : public testing::Test {
 protected:
  static constexpr char kNetwork[] = R"(
      layers { name: "conv" conv2d { out_channels: 5 kernel: 3 padding { mode: MODE_SAME } bias: false } }
      layers { name: "norm" batch_norm {} activation { relu {} } }
      layers { name: "pool" max_pool { kernel: 2 } }
      layers { name: "drop" dropout { rate: 0.2 } }
      layers { name: "hidden" dense { units: 16 } activation { tanh {} } }
      layers { name: "out" dense { units: 5 } })";

  // A resolved request; `more` is merged into a job that trains the network above (or another) for 30 steps.
  TrainRequest Request(const std::string& name, const std::string& more = "", const char* network = kNetwork) {
    v1::JobSpec spec;
    const std::string text =
        absl::StrCat("network { ", network,
                     " } data { dataset: 'images' preprocessing { scale {} } } "
                     "optimizer { sgd { momentum: 0.9 } learning_rate: 0.05 } batch_size: 8 seed: 7 "
                     "statistics { every_steps: 4 } checkpoint { every { seconds: 0 } } "
                     "metrics_every_steps: 1");
    EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &spec));
    EXPECT_TRUE(google::protobuf::TextFormat::MergeFromString(more, &spec));
    if (spec.duration_case() == v1::JobSpec::DURATION_NOT_SET) spec.set_steps(30);
    return RequestOf(name, spec, dataset_, folder_.path());
  }

  const TemporaryFolder folder_;
  const v1::Dataset dataset_ = ImportGoldenImages(folder_.path());
};

TEST_F(TrainTest, LearnsAndReports) {
  const TrainRequest request = Request("learns", "epochs: 12");
  Recorder recorder;
  const auto result = Train(request, recorder, recorder.stop);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->step, 120u);
  EXPECT_FALSE(result->stopped);
  const v1::EvaluationMetrics& evaluation = recorder.Last(v1::Event::kEvaluation).evaluation();
  EXPECT_EQ(evaluation.examples(), 80);
  EXPECT_GT(evaluation.accuracy(), 0.9);
  const v1::StatisticsReport& statistics = recorder.Last(v1::Event::kStatistics).statistics();
  ASSERT_EQ(statistics.layers_size(), 6);
  EXPECT_EQ(statistics.layers(0).layer(), "conv");
  EXPECT_EQ(statistics.layers(0).count(), 8 * 5 * 8 * 8);
  EXPECT_TRUE(statistics.layers(1).has_dead_units());
  ASSERT_EQ(statistics.parameters_size(), 7);
  EXPECT_EQ(statistics.parameters(0).name(), "conv.weight");
  EXPECT_GT(statistics.parameters(0).update_ratio(), 0);
  EXPECT_EQ(recorder.Of(v1::Event::kTrain).front().step(), 1u);
}

// Stopping at any step and going on gives the same bits as never stopping, in weights and in events.
class ResumeTest : public TrainTest {
 protected:
  void ExpectExact(const std::string& more, const char* network = kNetwork) {
    const TrainRequest whole = Request("whole", more, network);
    Recorder undisturbed;
    ASSERT_TRUE(Train(whole, undisturbed, undisturbed.stop).ok());
    const auto expected = Weights(whole);

    const TrainRequest broken = Request("broken", more, network);
    Recorder recorder;
    TrainInParts(broken, recorder, {1, 7, 10, 23, 0});
    EXPECT_EQ(Weights(broken), expected) << more;
    EXPECT_EQ(recorder.Bytes(), undisturbed.Bytes()) << more;
    std::filesystem::remove_all(whole.checkpoint_dir);
    std::filesystem::remove_all(broken.checkpoint_dir);
  }
};

TEST_F(ResumeTest, IsExact) {
  for (const std::string precision : {"PRECISION_F32", "PRECISION_BF16"}) {
    if (precision == "PRECISION_BF16" && !onednn::SupportsBf16()) continue;
    for (const std::string optimizer : {"sgd { momentum: 0.9 }", "adamw {}"}) {
      ExpectExact(absl::StrCat("precision: ", precision, " optimizer { ", optimizer, " learning_rate: 0.01 }"));
    }
  }
}

TEST_F(ResumeTest, IsExactWithRandomRegionsAndConnections) {
  for (const std::string precision : {"PRECISION_F32", "PRECISION_BF16"}) {
    if (precision == "PRECISION_BF16" && !onednn::SupportsBf16()) continue;
    ExpectExact(absl::StrCat("precision: ", precision), R"(
      layers { name: "conv" conv2d { out_channels: 6 kernel: 3 padding { mode: MODE_SAME } } }
      layers { name: "groups" group_norm { groups: 3 } activation { relu {} } }
      layers { name: "pool" fractional_max_pool {} }
      layers { name: "responses" local_response_norm {} }
      layers { name: "pool2" fractional_max_pool { sequence: SEQUENCE_PSEUDO_RANDOM disjoint: true ratio: 1.6 } }
      layers { name: "values" layer_norm {} }
      layers { name: "hidden" drop_connect { units: 16 per_example: true } activation { tanh {} } }
      layers { name: "out" drop_connect { units: 5 rate: 0.25 } })");
  }
}

TEST_F(TrainTest, AnotherSeedGivesOtherWeights) {
  const TrainRequest one = Request("one", "steps: 0");
  TrainRequest two = Request("two", "steps: 0");
  two.spec.set_seed(8);
  Recorder recorder;
  ASSERT_TRUE(Train(one, recorder, recorder.stop).ok());
  ASSERT_TRUE(Train(two, recorder, recorder.stop).ok());
  EXPECT_NE(Weights(one)["conv.weight"], Weights(two)["conv.weight"]);
}

TEST_F(TrainTest, ZeroStepsGiveTheInitialWeightsBack) {
  const TrainRequest trained = Request("trained", "steps: 5");
  Recorder recorder;
  ASSERT_TRUE(Train(trained, recorder, recorder.stop).ok());
  TrainRequest copy = Request("copy", "steps: 0");
  copy.weights_path = FindCheckpoint(trained.checkpoint_dir, "latest")->weights_path();
  const auto result = Train(copy, recorder, recorder.stop);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(Weights(copy), Weights(trained));
}

TEST_F(TrainTest, WeightsThatDoNotFitAreListed) {
  const TrainRequest trained = Request("trained", "steps: 0");
  Recorder recorder;
  ASSERT_TRUE(Train(trained, recorder, recorder.stop).ok());
  TrainRequest other = Request("other", "steps: 0");
  other.weights_path = FindCheckpoint(trained.checkpoint_dir, "latest")->weights_path();
  other.spec.mutable_network()->mutable_layers(4)->set_name("renamed");
  other.spec.mutable_network()->mutable_layers(0)->mutable_conv2d()->set_out_channels(6);
  const auto result = Train(other, recorder, recorder.stop);
  EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(result.status().message()),
              testing::AllOf(HasSubstr("renamed.weight: is missing"), HasSubstr("conv.weight: has shape [5, 3, 3, 3]"),
                             HasSubstr("hidden.weight: nothing in the network takes it")));
}

TEST_F(TrainTest, WhatIsNotFiniteEndsTheJobAndIsNamed) {
  const auto error = [&](const std::string& name, const std::string& more) {
    Recorder recorder;
    const auto request = Request(name, absl::StrCat("optimizer { sgd {} learning_rate: 1e38 } ", more));
    const absl::Status status = Train(request, recorder, recorder.stop).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kAborted);
    return std::string(status.message());
  };
  EXPECT_EQ(error("diverges", ""),
            "the gradient norm of step 2 is not a finite number; the first tensor with such values is "
            "\"norm.running_mean\"; lower the learning rate, clip the gradients, or normalize the data");
  EXPECT_EQ(error("unobserved", "statistics { every_steps: 0 }"),
            "the gradient norm of step 2 is not a finite number; the first tensor with such values is "
            "\"norm.running_mean\"; lower the learning rate, clip the gradients, or normalize the data");
}

// Between steps 3 and 6 nothing can be written, neither of them nor what of step 2 still is; the job goes on, says so
// once, and ends with the same weights.
TEST_F(TrainTest, AFullDiskDoesNotEndTheJob) {
  class FullDisk : public Recorder {
   public:
    void Heartbeat(uint64_t step) override {
      if (step == 3)
        SetFileFaultForTest([](absl::string_view what, const std::string&) { return what == "write" ? ENOSPC : 0; });
      if (step == 6) SetFileFaultForTest(nullptr);
    }
  };
  const TrainRequest whole = Request("whole", "steps: 8 checkpoint { every_steps: 1 }");
  Recorder undisturbed;
  ASSERT_TRUE(Train(whole, undisturbed, undisturbed.stop).ok());
  const TrainRequest full = Request("full", "steps: 8 checkpoint { every_steps: 1 }");
  FullDisk recorder;
  const auto result = Train(full, recorder, recorder.stop);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(Weights(full), Weights(whole));
  EXPECT_THAT(recorder.Last(v1::Event::kLog).log().text(), testing::ContainsRegex("no checkpoint of step [23]:"));
  EXPECT_EQ(recorder.Of(v1::Event::kLog).size(), 1u);
}

TEST_F(TrainTest, EvaluateAndPredictAgreeWithTraining) {
  const TrainRequest request = Request("trained", "epochs: 3");
  Recorder recorder;
  ASSERT_TRUE(Train(request, recorder, recorder.stop).ok());
  const auto files = FindCheckpoint(request.checkpoint_dir, "latest");
  ASSERT_TRUE(files.ok());
  InferenceRequest inference{.spec = request.spec,
                             .dataset_dir = request.dataset_dir,
                             .weights_path = files->weights_path(),
                             .preprocessing_path = files->preprocessing_path(),
                             .threads = 2};
  const auto metrics = Evaluate(inference);
  ASSERT_TRUE(metrics.ok()) << metrics.status();
  const v1::EvaluationMetrics& reported = recorder.Last(v1::Event::kEvaluation).evaluation();
  EXPECT_EQ(metrics->loss(), reported.loss());
  EXPECT_EQ(metrics->accuracy(), reported.accuracy());

  v1::PredictSplitRequest input;
  input.mutable_range()->set_split("test");
  input.mutable_range()->set_count(80);
  const auto predicted = PredictWhole(inference, input);
  ASSERT_TRUE(predicted.ok()) << predicted.status();
  ASSERT_EQ(predicted->classes_size(), 80);
  int right = 0;
  for (int i = 0; i < 80; ++i) right += predicted->classes(i) == predicted->labels(i);
  EXPECT_EQ(right / 80.0, metrics->accuracy());
  EXPECT_EQ(predicted->shape(1), 5);

  // A job of single examples predicts one at a time.
  inference.spec.set_batch_size(1);
  const auto singly = PredictWhole(inference, input);
  ASSERT_TRUE(singly.ok()) << singly.status();
  ASSERT_EQ(singly->outputs_size(), predicted->outputs_size());
  for (int i = 0; i < singly->outputs_size(); ++i) EXPECT_NEAR(singly->outputs(i), predicted->outputs(i), 1e-5) << i;
}

// PCA changes the network's input; whitening keeps images. Both are fitted once, told once, and used wherever examples
// are.
TEST_F(TrainTest, PreprocessingThatIsFittedIsToldOnceAndKept) {
  struct Case {
    const char* config;
    Shape input;
  };
  for (const Case& test : {Case{"pca { components: 12 }", {12}}, Case{"whiten { epsilon: 0.01 }", {3, 8, 8}}}) {
    const auto make = [&](const std::string& name) {
      auto spec = FromText<v1::JobSpec>(absl::StrCat(
          "network { layers { name: 'hidden' dense { units: 16 } activation { relu {} } } ",
          "layers { name: 'out' dense { units: 5 } } } data { dataset: 'images' preprocessing { scale {} } ",
          "preprocessing { ", test.config, " } } batch_size: 8 seed: 7 steps: 12 metrics_every_steps: 1 ",
          "checkpoint { every { seconds: 0 } }"));
      return RequestOf(name, spec, dataset_, folder_.path());
    };
    const TrainRequest whole = make("whole");
    const auto& input = whole.spec.network().input_shape();
    EXPECT_EQ(Shape(input.begin(), input.end()), test.input);
    Recorder undisturbed;
    ASSERT_TRUE(Train(whole, undisturbed, undisturbed.stop).ok());
    const v1::PreprocessingReport& report = undisturbed.Last(v1::Event::kPreprocessing).preprocessing();
    EXPECT_EQ(undisturbed.Last(v1::Event::kPreprocessing).step(), 0u);
    EXPECT_EQ(report.before().features(), 192);
    EXPECT_EQ(report.after().features(), Elements(test.input));
    EXPECT_LT(report.after().mean_absolute_correlation(), report.before().mean_absolute_correlation());

    const TrainRequest broken = make("broken");
    Recorder first;
    first.stop_after = 5;
    ASSERT_TRUE(Train(broken, first, first.stop).ok());
    Recorder second;
    ASSERT_TRUE(Train(broken, second, second.stop).ok());
    EXPECT_EQ(second.Of(v1::Event::kPreprocessing).size(), 0u) << "a resume tells it again";
    EXPECT_EQ(first.Last(v1::Event::kPreprocessing).SerializeAsString(),
              undisturbed.Last(v1::Event::kPreprocessing).SerializeAsString());
    EXPECT_EQ(Weights(broken), Weights(whole));

    const auto files = FindCheckpoint(whole.checkpoint_dir, "latest");
    ASSERT_TRUE(files.ok());
    const InferenceRequest inference{.spec = whole.spec,
                                     .dataset_dir = whole.dataset_dir,
                                     .weights_path = files->weights_path(),
                                     .preprocessing_path = files->preprocessing_path(),
                                     .threads = 2};
    const auto metrics = Evaluate(inference);
    ASSERT_TRUE(metrics.ok()) << metrics.status();
    EXPECT_EQ(metrics->loss(), undisturbed.Last(v1::Event::kEvaluation).evaluation().loss());
    v1::PredictSplitRequest from_split;
    from_split.mutable_range()->set_split("test");
    from_split.mutable_range()->set_count(80);
    const auto predicted = PredictWhole(inference, from_split);
    ASSERT_TRUE(predicted.ok()) << predicted.status();
    int right = 0;
    for (int i = 0; i < 80; ++i) right += predicted->classes(i) == predicted->labels(i);
    EXPECT_EQ(right / 80.0, metrics->accuracy());
    // The same images as numbers: as they are stored, before the preprocessing.
    const auto split = OpenSplit(whole.dataset_dir, "test");
    ASSERT_TRUE(split.ok());
    v1::PredictRequest from_numbers;
    for (const int64_t d : {80, 3, 8, 8}) from_numbers.mutable_examples()->add_shape(d);
    std::vector<float> raw(192);
    FieldErrors::Root none;
    Preprocessor::Config nothing;
    const Preprocessor as_stored = Preprocessor::Create(&nothing, &split->example_shape(), none.scope());
    for (int64_t i = 0; i < 80; ++i) {
      as_stored.Apply(split->element_type(), split->example(i), raw.data());
      from_numbers.mutable_examples()->mutable_values()->Add(raw.begin(), raw.end());
    }
    const auto again = Predict(inference, from_numbers);
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_TRUE(std::equal(again->outputs().begin(), again->outputs().end(), predicted->outputs().begin(),
                           predicted->outputs().end()));
    std::filesystem::remove_all(whole.checkpoint_dir);
    std::filesystem::remove_all(broken.checkpoint_dir);
  }
}

// Keeps the steps that the heartbeats say.
class Pulse : public Recorder {
 public:
  void Heartbeat(uint64_t step) override {
    steps.push_back(step);
    Recorder::Heartbeat(step);
  }
  std::vector<uint64_t> steps;
};

void FlipByte(const std::string& path) {
  std::string bytes = ReadBytes(path);
  bytes[bytes.size() - 4] = static_cast<char>(bytes[bytes.size() - 4] ^ 1);
  WriteBytes(path, bytes);
}

TEST_F(TrainTest, RefusesADatasetWhoseBytesHaveChanged) {
  const TrainRequest request = Request("refuses", "steps: 6");
  for (const std::string split : {"train", "test"}) {
    const std::string file = absl::StrCat(request.dataset_dir, "/", split, ".examples.npy");
    FlipByte(file);
    Pulse recorder;
    const absl::Status status = Train(request, recorder, recorder.stop).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(absl::StrCat("datasets/images, split \"", split, "\"")));
    EXPECT_FALSE(recorder.steps.empty()) << "a large dataset takes long to read";
    FlipByte(file);
  }
}

TEST_F(TrainTest, AResumeAndAnEvaluationRefuseItToo) {
  const TrainRequest request = Request("resumes", "steps: 6");
  Pulse recorder;
  TrainInParts(request, recorder, {3});
  const auto files = FindCheckpoint(request.checkpoint_dir, "latest");
  ASSERT_TRUE(files.ok());
  const InferenceRequest inference{.spec = request.spec,
                                   .dataset_dir = request.dataset_dir,
                                   .weights_path = files->weights_path(),
                                   .preprocessing_path = files->preprocessing_path()};
  ASSERT_TRUE(Evaluate(inference).ok());
  const std::string file = request.dataset_dir + "/test.labels.npy";
  FlipByte(file);
  Pulse resumed;
  EXPECT_EQ(Train(request, resumed, resumed.stop).status().code(), absl::StatusCode::kDataLoss);
  ASSERT_FALSE(resumed.steps.empty());
  EXPECT_EQ(resumed.steps, std::vector<uint64_t>(resumed.steps.size(), 3)) << "the step it goes on from";
  int reports = 0;
  const absl::Status refused = Evaluate(inference, [&](int64_t, int64_t) { ++reports; }).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kDataLoss) << refused;
  EXPECT_THAT(std::string(refused.message()), HasSubstr("datasets/images, split \"test\""));
  EXPECT_GT(reports, 0);
  v1::PredictSplitRequest input;
  input.mutable_range()->set_split("test");
  input.mutable_range()->set_count(1);
  EXPECT_EQ(PredictWhole(inference, input).status().code(), absl::StatusCode::kDataLoss);
  FlipByte(file);
  EXPECT_TRUE(Evaluate(inference).ok());
  EXPECT_TRUE(PredictWhole(inference, input).ok());
  recorder.stop = StopWish::kNone;
  recorder.stop_after = 0;
  EXPECT_TRUE(Train(request, recorder, recorder.stop).ok());
}

}  // namespace
}  // namespace traind::core
