// The step loop on networks and settings at the edge of what a job may say: outputs that are views, nothing to train,
// one example, one channel, one class, inputs read twice; and what checkpoints, splits and initial weights may look
// like.
#include <cmath>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/checkpoint/checkpoint_dir.h"
#include "core/checkpoint/safetensors.h"
#include "core/job/resolve.h"
#include "core/onednn/onednn.h"
#include "core/train/train.h"
#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"
#include "tests/support/bytes.h"
#include "tests/support/text_proto.h"
#include "tests/support/train_run.h"

namespace traind::core {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr int kExamples = 24;

class EdgeCasesTest : public testing::Test {
 protected:
  // Splits "train" and "test" of `kExamples` examples.
  v1::Dataset Import(const std::string& id, const Shape& shape, int classes) {
    return ImportNumbers(id, folder_.path(), kExamples, shape, classes);
  }

  // A resolved request for a job in text form.
  TrainRequest Request(const v1::Dataset& dataset, const std::string& job) {
    v1::JobSpec spec;
    spec.set_seed(3);
    spec.set_metrics_every_steps(1);
    spec.mutable_checkpoint()->mutable_every()->set_seconds(0);
    EXPECT_TRUE(google::protobuf::TextFormat::MergeFromString(job, &spec)) << job;
    return RequestOf(absl::StrCat("job", ++jobs_), spec, dataset, folder_.path(), /*threads=*/1);
  }

  static absl::StatusOr<TrainResult> Run(const TrainRequest& request, Recorder& recorder) {
    recorder.stop = StopWish::kNone;
    return Train(request, recorder, recorder.stop);
  }

  static std::vector<uint64_t> Steps(const TrainRequest& request) {
    std::vector<uint64_t> steps;
    const auto checkpoints = ListCheckpoints(request.checkpoint_dir);
    EXPECT_TRUE(checkpoints.ok()) << checkpoints.status();
    if (!checkpoints.ok()) return steps;
    for (const CheckpointFiles& checkpoint : *checkpoints) steps.push_back(checkpoint.manifest.step());
    return steps;
  }

  // Trains, trains again with two interruptions, and evaluates: the same weights, events and metrics each time.
  void CheckJob(const v1::Dataset& dataset, const std::string& job) {
    for (const std::string precision : {"PRECISION_F32", "PRECISION_BF16"}) {
      if (precision == "PRECISION_BF16" && !onednn::SupportsBf16()) continue;
      SCOPED_TRACE(absl::StrCat(precision, ": ", job));
      const std::string text =
          absl::StrCat(job, " precision: ", precision,
                       " steps: 5 statistics { every_steps: 2 } optimizer { adam {} learning_rate: 0.01 }");
      const TrainRequest whole = Request(dataset, text);
      Recorder undisturbed;
      const auto result = Run(whole, undisturbed);
      ASSERT_TRUE(result.ok()) << result.status();
      ExpectSound(undisturbed.Last(v1::Event::kStatistics).statistics());

      const TrainRequest broken = Request(dataset, text);
      Recorder recorder;
      TrainInParts(broken, recorder, {1, 3, 0});
      EXPECT_EQ(Weights(broken), Weights(whole));
      EXPECT_EQ(recorder.Bytes(), undisturbed.Bytes());

      const auto files = FindCheckpoint(whole.checkpoint_dir, "latest");
      ASSERT_TRUE(files.ok()) << files.status();
      const auto metrics = Evaluate({.spec = whole.spec,
                                     .dataset_dir = whole.dataset_dir,
                                     .weights_path = files->weights_path(),
                                     .preprocessing_path = files->preprocessing_path()});
      ASSERT_TRUE(metrics.ok()) << metrics.status();
      const auto& reported = undisturbed.Last(v1::Event::kEvaluation).evaluation();
      EXPECT_TRUE(std::isfinite(reported.loss()));
      EXPECT_EQ(metrics->loss(), reported.loss());
    }
  }

  TemporaryFolder folder_{TemporaryFolder::Place::kMemory};
  int jobs_ = 0;
};

std::string Job(const std::string& dataset, const std::string& layers, int batch = 4) {
  return absl::StrCat("data { dataset: '", dataset, "' } batch_size: ", batch, " network { ", layers, " }");
}

TEST_F(EdgeCasesTest, OutputsInEveryFormOfMemory) {
  const v1::Dataset images = Import("images", {2, 6, 6}, 5);
  const std::string conv = "layers { name: 'c' conv2d { out_channels: 20 kernel: 3 } } ";
  for (const std::string& layers : {
           conv + "layers { name: 'p' global_avg_pool {} }",
           conv + "layers { name: 'f' flatten {} }",
           conv + "layers { name: 'f' flatten {} activation { relu {} } }",
           conv + "layers { name: 'p' max_pool { kernel: 4 } } layers { name: 'f' flatten {} }",
           conv + "layers { name: 'f' flatten {} } layers { name: 'd' dropout { rate: 0.5 } }",
           conv + "layers { name: 'p' global_avg_pool {} } layers { name: 't' activation { tanh {} } }",
           conv + "layers { name: 'p' global_avg_pool {} } layers { name: 's' softmax {} }",
           conv + "layers { name: 'p' global_avg_pool {} } layers { name: 'n' batch_norm {} }",
           conv + "layers { name: 'p' global_avg_pool { } activation { prelu {} } }",
           conv + "layers { name: 'f' flatten {} } layers { name: 'm' activation { maxout { pieces: 4 } } }",
       }) {
    CheckJob(images, Job("images", layers));
  }
}

// The readers of a flattened image disagree on its dimensions: gradients of two and of four come together.
TEST_F(EdgeCasesTest, FlattenedImagesWithSeveralReaders) {
  const v1::Dataset images = Import("images", {2, 6, 6}, 5);
  const std::string trunk =
      "layers { name: 'c' conv2d { out_channels: 20 kernel: 3 } activation { relu {} } } "
      "layers { name: 'f' flatten {} } ";
  for (const std::string& layers : {
           trunk + "layers { name: 'r' activation { gelu {} } } layers { name: 'n' inputs: 'f' batch_norm {} } "
                   "layers { name: 'a' inputs: ['f', 'r', 'n'] add {} } layers { name: 'o' dense { units: 5 } }",
           trunk + "layers { name: 'a' inputs: 'f' dense { units: 5 } } layers { name: 'b' inputs: 'f' softmax {} } "
                   "layers { name: 'd' dense { units: 5 } } layers { name: 'o' inputs: ['a', 'd'] add {} }",
           trunk + "layers { name: 'p' activation { prelu {} } } layers { name: 'j' inputs: ['p', 'f'] concat {} } "
                   "layers { name: 'd' dropout {} } layers { name: 'o' dense { units: 5 } }",
       }) {
    CheckJob(images, Job("images", layers));
  }
}

TEST_F(EdgeCasesTest, InputsReadSeveralTimesAndSingleChannels) {
  const v1::Dataset images = Import("images", {1, 6, 6}, 5);
  const std::string head = " layers { name: 'o' dense { units: 5 } }";
  for (const std::string& layers : {
           "layers { name: 'a' inputs: ['input', 'input'] add {} }" + head,
           "layers { name: 'j' inputs: ['input', 'input', 'input'] concat {} }" + head,
           "layers { name: 'c' conv2d { out_channels: 1 kernel: 3 padding { mode: MODE_SAME } } } "
           "layers { name: 'j' inputs: ['c', 'input'] concat {} }" +
               head,
           "layers { name: 'c' conv2d { out_channels: 17 kernel: 3 } } layers { name: 'e' conv2d { out_channels: 1 "
           "kernel: 3 } inputs: 'input' } layers { name: 'j' inputs: ['c', 'e', 'c'] concat {} } "
           "layers { name: 'n' batch_norm {} activation { relu {} } } layers { name: 's' softmax {} }" +
               head,
       }) {
    CheckJob(images, Job("images", layers));
  }
}

TEST_F(EdgeCasesTest, NothingToTrain) {
  const v1::Dataset images = Import("images", {2, 6, 6}, 5);
  CheckJob(images, Job("images", "layers { name: 'f' flatten {} }"));
  CheckJob(images, Job("images", "layers { name: 'p' avg_pool { kernel: 2 } } layers { name: 'f' flatten {} }"));
  CheckJob(images,
           Job("images", "layers { name: 'f' flatten {} activation { tanh {} } } layers { name: 's' softmax {} }"));
}

TEST_F(EdgeCasesTest, BatchesOfOne) {
  const v1::Dataset images = Import("images", {2, 6, 6}, 5);
  CheckJob(images, Job("images",
                       "layers { name: 'c' conv2d { out_channels: 3 kernel: 3 } } layers { name: 'n' batch_norm {} "
                       "activation { relu {} } } layers { name: 'j' inputs: ['n', 'n'] concat {} } "
                       "layers { name: 'b' dense { units: 7 } } layers { name: 'm' batch_norm {} } "
                       "layers { name: 'o' dense { units: 5 } }",
                       1));
}

TEST_F(EdgeCasesTest, OneClassWithHingeHasNothingToLearn) {
  const v1::Dataset one = Import("one", {4}, 1);
  const TrainRequest request =
      Request(one, Job("one", "layers { name: 'o' dense { units: 1 } }") +
                       "loss { multiclass_hinge {} } steps: 3 optimizer { sgd {} learning_rate: 0.5 }");
  Recorder recorder;
  ASSERT_TRUE(Run(request, recorder).ok());
  EXPECT_EQ(recorder.Last(v1::Event::kTrain).train().loss(), 0);
  EXPECT_EQ(recorder.Last(v1::Event::kEvaluation).evaluation().accuracy(), 1);
  TrainRequest initial = request;
  initial.checkpoint_dir = folder_ / "initial";
  initial.spec.set_steps(0);
  ASSERT_TRUE(Run(initial, recorder).ok());
  EXPECT_EQ(Weights(request), Weights(initial));
}

// y = 3 (w x + b) by adding one layer three times; one step of gradient descent on mean (y - t)^2, by hand.
TEST_F(EdgeCasesTest, OneLayerAddedThriceGetsThreeGradients) {
  const v1::Dataset line = Import("line", {1}, 0);
  const std::string job = Job("line",
                              "layers { name: 'l' dense { units: 1 weight_init { constant { value: 0.5 } } } } "
                              "layers { name: 'a' inputs: ['l', 'l', 'l'] add {} }",
                              kExamples) +
                          "sampling: SAMPLING_SEQUENTIAL steps: 1 optimizer { sgd {} learning_rate: 0.125 }";
  const TrainRequest request = Request(line, job);
  Recorder recorder;
  ASSERT_TRUE(Run(request, recorder).ok());
  double loss = 0, weight = 0, bias = 0;
  for (int i = 0; i < kExamples; ++i) {
    const double x = Number(i), error = 3 * 0.5 * x - 3.0 * Number(i);
    loss += error * error / kExamples;
    weight += 2 * error * 3 * x / kExamples;
    bias += 2 * error * 3 / kExamples;
  }
  EXPECT_NEAR(recorder.Of(v1::Event::kTrain)[0].train().loss(), loss, 1e-5);
  EXPECT_NEAR(Weights(request)["l.weight"][0], 0.5 - 0.125 * weight, 1e-5);
  EXPECT_NEAR(Weights(request)["l.bias"][0], -0.125 * bias, 1e-5);
}

TEST_F(EdgeCasesTest, EvaluationOnLessThanABatch) {
  const v1::Dataset set = Import("set", {4}, 3);
  const std::string job = "batch_size: 8 steps: 4 network { layers { name: 'o' dense { units: 3 } } } ";
  Recorder few;
  ASSERT_TRUE(Run(Request(set, job + "data { dataset: 'set' max_evaluation_examples: 3 }"), few).ok());
  EXPECT_EQ(few.Last(v1::Event::kEvaluation).evaluation().examples(), 3);
  // 24 examples are three batches of 7 and one of 3, padded.
  Recorder uneven, even;
  ASSERT_TRUE(Run(Request(set,
                          "batch_size: 7 steps: 0 network { layers { name: 'o' dense { units: 3 } } } "
                          "data { dataset: 'set' }"),
                  uneven)
                  .ok());
  ASSERT_TRUE(Run(Request(set,
                          "batch_size: 6 steps: 0 network { layers { name: 'o' dense { units: 3 } } } "
                          "data { dataset: 'set' }"),
                  even)
                  .ok());
  EXPECT_EQ(uneven.Last(v1::Event::kEvaluation).evaluation().examples(), kExamples);
  EXPECT_NEAR(uneven.Last(v1::Event::kEvaluation).evaluation().loss(),
              even.Last(v1::Event::kEvaluation).evaluation().loss(), 1e-6);
}

TEST_F(EdgeCasesTest, WithoutEvaluationAndStatistics) {
  const v1::Dataset set = Import("set", {4}, 3);
  const TrainRequest request =
      Request(set,
              "data { dataset: 'set' evaluation_split: 'none' } batch_size: 4 epochs: 1 statistics { every_steps: 0 } "
              "network { layers { name: 'o' dense { units: 3 } activation { relu {} } } } checkpoint { keep_last: 1 }");
  Recorder recorder;
  const auto result = Run(request, recorder);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->step, 6u);
  EXPECT_TRUE(recorder.Of(v1::Event::kEvaluation).empty());
  EXPECT_TRUE(recorder.Of(v1::Event::kStatistics).empty());
  EXPECT_THAT(Steps(request), ElementsAre(6));
  EXPECT_FALSE(FindCheckpoint(request.checkpoint_dir, "best").ok());
}

TEST_F(EdgeCasesTest, BatchesFitTheExamplesThatAreUsed) {
  const v1::Dataset set = Import("set", {4}, 3);
  const std::string network = "network { layers { name: 'o' dense { units: 3 } } } ";
  const TrainRequest request = Request(set, network + "data { dataset: 'set' max_train_examples: 5 } epochs: 2");
  EXPECT_EQ(request.spec.batch_size(), 5u);
  Recorder recorder;
  const auto result = Run(request, recorder);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->step, 2u);
  auto spec = FromText<v1::JobSpec>(network + "data { dataset: 'set' max_train_examples: 5 } batch_size: 6");
  FieldErrors::Root errors;
  static_cast<void>(ResolveJob(spec, &set, 1, errors.scope()));
  ASSERT_EQ(errors.violations().field_violations_size(), 1);
  EXPECT_EQ(errors.violations().field_violations(0).field(), "batch_size");
}

TEST_F(EdgeCasesTest, TheBestCheckpointStaysBesideTheLast) {
  const v1::Dataset set = Import("set", {4}, 3);
  // A learning rate that makes things worse: the best is the first that was evaluated.
  const TrainRequest request =
      Request(set, Job("set", "layers { name: 'o' dense { units: 3 } }") +
                       "steps: 10 optimizer { sgd {} learning_rate: 50 } evaluation { every_steps: 2 } "
                       "checkpoint { every_steps: 3 keep_last: 1 }");
  Recorder recorder;
  ASSERT_TRUE(Run(request, recorder).ok());
  uint64_t best = 0;
  double lowest = INFINITY;
  for (const v1::Event& event : recorder.Of(v1::Event::kEvaluation)) {
    EXPECT_EQ(event.evaluation().best(), event.evaluation().loss() < lowest);
    if (event.evaluation().loss() >= lowest) continue;
    lowest = event.evaluation().loss();
    best = event.step();
  }
  ASSERT_LT(best, 10u);
  EXPECT_THAT(Steps(request), ElementsAre(best, 10));
  EXPECT_EQ(FindCheckpoint(request.checkpoint_dir, "best")->manifest.step(), best);
  std::vector<uint64_t> saved;
  for (const v1::Event& event : recorder.Of(v1::Event::kCheckpoint)) saved.push_back(event.step());
  EXPECT_THAT(saved, testing::IsSupersetOf({0, 3, 6, 9, 10}));
}

TEST_F(EdgeCasesTest, InitialWeightsMayLackTensorsWhereTheJobSaysSo) {
  const v1::Dataset set = Import("set", {4}, 3);
  const std::string job = Job("set",
                              "layers { name: 'h' dense { units: 6 } activation { prelu {} } } "
                              "layers { name: 'o' dense { units: 3 } }") +
                          "steps: 0 ";
  for (const std::string precision : {"PRECISION_F32", "PRECISION_BF16"}) {
    if (precision == "PRECISION_BF16" && !onednn::SupportsBf16()) continue;
    TrainRequest request = Request(set, job + "precision: " + precision);
    Recorder recorder;
    ASSERT_TRUE(Run(request, recorder).ok());
    const auto initial = Weights(request);

    const std::vector<Tensor> given = {{"o.bias", {3}, {1, 2, 3}}, {"h.slope", {6}, {0, 0.1f, 0.2f, 0.3f, 0.4f, 0.5f}}};
    request.weights_path = folder_ / "given.safetensors";
    ASSERT_TRUE(WriteSafetensors(request.weights_path, SourcesOf(given)).ok());
    request.checkpoint_dir = folder_ / ("strict" + precision);
    const auto strict = Run(request, recorder);
    EXPECT_EQ(strict.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(strict.status().message()), HasSubstr("h.weight: is missing"));

    request.checkpoint_dir = folder_ / ("lenient" + precision);
    request.spec.mutable_initial_weights()->set_allow_missing(true);
    ASSERT_TRUE(Run(request, recorder).ok());
    auto expected = initial;
    for (const Tensor& tensor : given) expected[tensor.name] = tensor.values;
    EXPECT_EQ(Weights(request), expected);
  }
}

TEST_F(EdgeCasesTest, ALossThatIsNotFiniteWithoutStatistics) {
  const v1::Dataset set = Import("set", {4}, 3);
  const TrainRequest request =
      Request(set, Job("set", "layers { name: 'h' dense { units: 6 } } layers { name: 'o' dense { units: 3 } }") +
                       "steps: 9 statistics { every_steps: 0 } "
                       "optimizer { sgd {} learning_rate: 1e38 }");
  Recorder recorder;
  const auto result = Run(request, recorder);
  EXPECT_EQ(result.status().code(), absl::StatusCode::kAborted);
  EXPECT_THAT(std::string(result.status().message()), HasSubstr("the loss of step "));
}

}  // namespace
}  // namespace traind::core
