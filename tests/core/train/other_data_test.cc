// A job and its data: what it was trained on, a sample of it, other data that its model reads, and weights and
// preprocessing that come from somebody else.
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/checkpoint/checkpoint_dir.h"
#include "core/checkpoint/safetensors.h"
#include "core/data/dataset_dir.h"
#include "core/job/data_identity.h"
#include "core/job/resolve_inference.h"
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

class OtherDataTest : public testing::Test {
 protected:
  // Splits "train" and "test" of [n, 3] floats with these labels.
  v1::Dataset Import(const std::string& id, const std::vector<float>& examples, const std::vector<int32_t>& labels,
                     const std::vector<std::string>& class_names = {}) {
    const std::string x = folder_ / (id + ".x.npy"), y = folder_ / (id + ".y.npy");
    WriteBytes(x, NpyOf(examples, {static_cast<int64_t>(labels.size()), 3}));
    WriteBytes(y, NpyOf(labels));
    v1::ImportDatasetRequest request;
    request.set_dataset_id(id);
    for (const char* name : {"train", "test"}) {
      auto* split = request.add_splits();
      split->set_name(name);
      split->mutable_examples()->set_path(x);
      split->mutable_labels()->set_path(y);
    }
    request.mutable_class_names()->Assign(class_names.begin(), class_names.end());
    ImportOptions options;
    options.resolve = [](const v1::DataFile& file) { return absl::StatusOr<std::string>(file.path()); };
    options.dir = folder_ / id;
    auto dataset = ImportDataset(request, options);
    EXPECT_TRUE(dataset.ok()) << dataset.status();
    return dataset.value_or(v1::Dataset());
  }
  // Example i is a one at the place of its class, and a little more in each example.
  v1::Dataset Corners(const std::string& id, const std::vector<int32_t>& places, const std::vector<int32_t>& labels,
                      const std::vector<std::string>& class_names) {
    std::vector<float> examples;
    for (size_t i = 0; i < places.size(); ++i) {
      for (int k = 0; k < 3; ++k) {
        examples.push_back((k == places[i] ? 1.0f : 0.0f) + 0.001f * static_cast<float>(i));
      }
    }
    return Import(id, examples, labels, class_names);
  }

  TrainRequest Request(const v1::Dataset& dataset, const std::string& job) {
    v1::JobSpec spec;
    spec.set_seed(3);
    spec.mutable_checkpoint()->mutable_every()->set_seconds(0);
    spec.mutable_data()->set_dataset(dataset.name());
    EXPECT_TRUE(google::protobuf::TextFormat::MergeFromString(
        absl::StrCat("network { layers { name: 'o' dense { units: 3 } } } ", job), &spec));
    TrainRequest request = RequestOf(absl::StrCat("job", ++jobs_), spec, dataset, folder_.path(), /*threads=*/1);
    request.trained_on = IdentityOf(dataset);
    return request;
  }
  absl::Status Run(const TrainRequest& request) {
    recorder_ = std::make_unique<Recorder>();
    return Train(request, *recorder_, recorder_->stop).status();
  }
  v1::CheckpointManifest Manifest(const TrainRequest& request) {
    auto files = FindCheckpoint(request.checkpoint_dir, "latest");
    EXPECT_TRUE(files.ok()) << files.status();
    return files.ok() ? files->manifest : v1::CheckpointManifest();
  }
  // The job's model at work on another dataset.
  InferenceRequest Inference(const TrainRequest& job, const std::string& dataset) {
    const auto files = FindCheckpoint(job.checkpoint_dir, "latest");
    EXPECT_TRUE(files.ok()) << files.status();
    return {.spec = job.spec,
            .dataset_dir = folder_ / dataset,
            .weights_path = files->weights_path(),
            .preprocessing_path = files->preprocessing_path(),
            .trained_on = Manifest(job).trained_on(),
            .warn = [this](const std::string& warning) { warnings_.push_back(warning); }};
  }
  std::vector<std::string> Logs() {
    std::vector<std::string> texts;
    for (const v1::Event& event : recorder_->Of(v1::Event::kLog)) texts.push_back(event.log().text());
    return texts;
  }

  TemporaryFolder folder_{TemporaryFolder::Place::kMemory};
  std::unique_ptr<Recorder> recorder_;  // Of the newest run.
  std::vector<std::string> warnings_;
  int jobs_ = 0;
};

TEST_F(OtherDataTest, ClassesOfOtherDataAreMatchedByName) {
  std::vector<int32_t> places;
  for (int i = 0; i < 30; ++i) places.push_back(i % 3);
  const v1::Dataset all = Corners("all", places, places, {"ant", "bee", "cow"});
  const TrainRequest job = Request(all, "steps: 300 batch_size: 10 optimizer { learning_rate: 0.5 }");
  ASSERT_TRUE(Run(job).ok());
  // Bees and cows, which are classes 0 and 1 there.
  Corners("field", {1, 2, 1, 2, 2}, {0, 1, 0, 1, 1}, {"bee", "cow"});
  InferenceRequest field = Inference(job, "field");
  auto metrics = Evaluate(field);
  ASSERT_TRUE(metrics.ok()) << metrics.status();
  EXPECT_EQ(metrics->accuracy(), 1);
  EXPECT_LT(metrics->loss(), 0.2);
  v1::PredictSplitRequest predict;
  predict.mutable_range()->set_split("test");
  predict.mutable_range()->set_count(5);
  const auto predicted = PredictWhole(field, predict);
  ASSERT_TRUE(predicted.ok()) << predicted.status();
  EXPECT_THAT(predicted->labels(), ElementsAre(1, 2, 1, 2, 2));
  EXPECT_THAT(predicted->classes(), ElementsAre(1, 2, 1, 2, 2));
  field.trained_on.reset();
  EXPECT_EQ(Evaluate(field)->accuracy(), 0) << "by number they are all wrong";

  Corners("shift", {0, 1}, {0, 1}, {"bee", "dog"});
  const auto refused = Evaluate(Inference(job, "shift"));
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("does not know: dog"));
}

TEST_F(OtherDataTest, NoLabelIndexesPastAnOutput) {
  const v1::Dataset all = Corners("all", {0, 1, 2, 0}, {0, 1, 2, 0}, {});
  const TrainRequest job = Request(all, "steps: 1 batch_size: 2");
  ASSERT_TRUE(Run(job).ok());
  Corners("many", {0, 1, 2, 0}, {0, 1, 49, 999'999}, {});
  InferenceRequest many = Inference(job, "many");
  EXPECT_THAT(std::string(Evaluate(many).status().message()), HasSubstr("1000000 classes, and the model only 3"));
  many.trained_on.reset();
  const auto unknown = Evaluate(many);
  EXPECT_EQ(unknown.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(unknown.status().message()), HasSubstr("labels are of 1000000 classes, the network has 3"));
  // Nor in training, whatever the record says.
  TrainRequest other = job;
  other.dataset_dir = folder_ / "many";
  other.checkpoint_dir = folder_ / "elsewhere";
  other.trained_on.reset();
  EXPECT_EQ(Run(other).code(), absl::StatusCode::kFailedPrecondition);
}

// Forty examples of class 0, then of 1, then of 2; a network of zeros says class 0.
TEST_F(OtherDataTest, LimitsTakeASampleOfSortedData) {
  std::vector<int32_t> labels;
  for (int i = 0; i < 120; ++i) labels.push_back(i / 40);
  const v1::Dataset sorted = Corners("sorted", labels, labels, {});
  TrainRequest job =
      Request(sorted, "steps: 0 batch_size: 30 data { max_train_examples: 30 max_evaluation_examples: 12 }");
  job.spec.mutable_network()->mutable_layers(0)->mutable_dense()->mutable_weight_init()->mutable_zeros();
  ASSERT_TRUE(Run(job).ok());
  v1::EvaluationMetrics metrics = recorder_->Last(v1::Event::kEvaluation).evaluation();
  EXPECT_EQ(metrics.examples(), 12);
  EXPECT_DOUBLE_EQ(metrics.accuracy(), 1.0 / 3);
  const auto evaluated = Evaluate(Inference(job, "sorted"));
  ASSERT_TRUE(evaluated.ok()) << evaluated.status();
  EXPECT_EQ(evaluated->accuracy(), metrics.accuracy()) << "the same sample, whoever reads it";
  // A job of before goes on with the examples that it had.
  job.first_examples = true;
  job.checkpoint_dir = folder_ / "old";
  ASSERT_TRUE(Run(job).ok());
  EXPECT_EQ(recorder_->Last(v1::Event::kEvaluation).evaluation().accuracy(), 1);
}

TEST_F(OtherDataTest, ASampleKeepsExamplesAndTargetsTogether) {
  std::vector<int32_t> labels;
  for (int i = 0; i < 60; ++i) labels.push_back(i / 20);
  const v1::Dataset dataset = Corners("data", labels, labels, {});
  const Split whole = *OpenSplit(folder_ / "data", "train");
  Split sample = *OpenSplit(folder_ / "data", "train");
  sample.TakeSample(9);
  ASSERT_EQ(sample.size(), 9);
  EXPECT_THAT(sample.labels(), ElementsAre(0, 0, 0, 1, 1, 1, 2, 2, 2));
  const RawExamples stored = AsStored(sample);
  for (int64_t i = 0; i < 9; ++i) {
    const auto* example = static_cast<const float*>(sample.example(i));
    EXPECT_EQ(stored.at(i), sample.example(i));
    EXPECT_GE(example[sample.labels()[i]], 1) << "a corner of its class";
  }
  EXPECT_TRUE(sample.Verify().ok()) << "of all, whatever is read";
  const auto [least, largest] = whole.Range();
  EXPECT_FLOAT_EQ(least, 0);
  EXPECT_FLOAT_EQ(largest, 1.059f);
}

TEST_F(OtherDataTest, ASampleOfTargetsHasThoseOfItsExamples) {
  const v1::Dataset dataset = ImportNumbers("numbers", folder_.path(), 50, {1}, /*classes=*/0);
  Split sample = *OpenSplit(folder_ / "numbers", "train");
  sample.TakeSample(20);
  ASSERT_EQ(sample.size(), 20);
  for (int64_t i = 0; i < 20; ++i) {
    EXPECT_EQ(*sample.target(i), 3 * *static_cast<const float*>(sample.example(i)));
  }
}

TEST_F(OtherDataTest, CheckpointsSayWhatTheyWereTrainedOn) {
  const v1::Dataset all = Corners("all", {0, 1, 2, 0}, {0, 1, 2, 0}, {"a", "b", "c"});
  TrainRequest job = Request(all, "steps: 2 batch_size: 2");
  ASSERT_TRUE(Run(job).ok());
  const v1::DataIdentity written = Manifest(job).trained_on();
  EXPECT_EQ(written.dataset(), "datasets/all");
  EXPECT_EQ(written.uid(), all.uid());
  EXPECT_THAT(written.class_names(), ElementsAre("a", "b", "c"));
  EXPECT_FLOAT_EQ(static_cast<float>(written.example_min()), 0);
  EXPECT_FLOAT_EQ(static_cast<float>(written.example_max()), 1.003f);
  // The folder of another dataset in its place.
  Corners("other", {0, 1, 2, 1}, {0, 1, 2, 1}, {"a", "b", "c"});
  job.dataset_dir = folder_ / "other";
  const absl::Status replaced = Run(job);
  EXPECT_EQ(replaced.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(replaced.message()), HasSubstr("another dataset than when the job was accepted"));
  EXPECT_THAT(std::string(replaced.message()), HasSubstr(all.splits(0).checksum()));
  // Evaluation tells of another scale.
  std::vector<float> large;
  for (int i = 0; i < 12; ++i) large.push_back(100);
  Import("large", large, {0, 1, 2, 0}, {"a", "b", "c"});
  ASSERT_TRUE(Evaluate(Inference(job, "large")).ok());
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("another scale")));
}

TEST_F(OtherDataTest, ThePreprocessingOfInitialWeightsIsKept) {
  std::vector<int32_t> places = {0, 1, 2, 0, 1, 2};
  const v1::Dataset first = Corners("first", places, places, {});
  const std::string network = "batch_size: 3 data { preprocessing { standardize {} } }";
  const TrainRequest teacher = Request(first, network + "steps: 20");
  ASSERT_TRUE(Run(teacher).ok());
  std::vector<float> far(18);
  for (size_t i = 0; i < far.size(); ++i) far[i] = 50 + static_cast<float>(i * i % 7);
  const v1::Dataset second = Import("second", far, places);
  const auto from = FindCheckpoint(teacher.checkpoint_dir, "latest");
  TrainRequest pupil = Request(second, network + "steps: 0 initial_weights { model: 'jobs/job1' }");
  pupil.weights_path = from->weights_path();
  pupil.preprocessing_path = from->preprocessing_path();
  ASSERT_TRUE(Run(pupil).ok());
  EXPECT_THAT(Logs(), ElementsAre("initial weights from jobs/job1: 2 tensors loaded"));
  const auto to = FindCheckpoint(pupil.checkpoint_dir, "latest");
  EXPECT_EQ(ReadBytes(to->preprocessing_path()), ReadBytes(from->preprocessing_path()));
  EXPECT_EQ(ReadBytes(to->weights_path()), ReadBytes(from->weights_path()));
  // Fitted anew the same weights are another function.
  pupil.preprocessing_path.clear();
  pupil.checkpoint_dir = folder_ / "anew";
  ASSERT_TRUE(Run(pupil).ok());
  const auto anew = FindCheckpoint(pupil.checkpoint_dir, "latest");
  EXPECT_NE(ReadBytes(anew->preprocessing_path()), ReadBytes(from->preprocessing_path()));
}

std::string Entry(const std::string& name, const std::string& dtype, const std::string& shape, size_t begin,
                  size_t end) {
  return absl::StrCat("\"", name, "\":{\"dtype\":\"", dtype, "\",\"shape\":[", shape, "],\"data_offsets\":[", begin,
                      ",", end, "]}");
}

// Of the format's definition, by hand; half precision as numpy writes float16([1, -2, 0.5]), bfloat16 as torch does.
TEST_F(OtherDataTest, InitialWeightsOfHalfPrecisionLoadAndTheRestIsTold) {
  const v1::Dataset all = Corners("all", {0, 1, 2, 0}, {0, 1, 2, 0}, {});
  const std::string weight = RawBytes<uint16_t>({0x3c00, 0xc000, 0x3800, 0, 0, 0, 0, 0, 0x3c00});
  const std::string bias = RawBytes<uint16_t>({0x3f80, 0xc000, 0x3f00});
  const std::string batches(8, '\1');
  const std::string all_entries =
      absl::StrCat("{", Entry("o.weight", "F16", "3,3", 0, 18), ",", Entry("o.bias", "BF16", "3", 18, 24), ",",
                   Entry("bn.num_batches_tracked", "I64", "", 24, 32), "}");
  const std::string path = folder_ / "w.safetensors";
  const auto write = [&](const std::string& header, const std::string& data) {
    WriteBytes(path, LittleEndian(header.size(), 8) + header + data);
  };
  write(all_entries, weight + bias + batches);
  TrainRequest job = Request(all, "steps: 0 batch_size: 2 initial_weights { model: 'models/m' }");
  job.weights_path = path;
  ASSERT_TRUE(Run(job).ok());
  EXPECT_THAT(Weights(job).at("o.weight"), ElementsAre(1, -2, 0.5f, 0, 0, 0, 0, 0, 1));
  EXPECT_THAT(Weights(job).at("o.bias"), ElementsAre(1, -2, 0.5f));
  EXPECT_THAT(Logs(), ElementsAre("initial weights from models/m: 2 tensors loaded (from BF16, F16); skipped, as "
                                  "nothing needs them: bn.num_batches_tracked (I64)"));

  // Without the weight, and with tensors that the network has none of: refused, unless the job allows it.
  write(absl::StrCat("{", Entry("o.bias", "BF16", "3", 0, 6), ",", Entry("head.bias", "F16", "1", 6, 8), ",",
                     Entry("steps", "I64", "", 8, 16), "}"),
        bias + weight.substr(0, 2) + batches);
  job.checkpoint_dir = folder_ / "strict";
  const absl::Status strict = Run(job);
  EXPECT_EQ(strict.code(), absl::StatusCode::kInvalidArgument);
  for (const char* part :
       {"o.weight: is missing", "head.bias: nothing in the network takes it", "steps (I64): nothing in"}) {
    EXPECT_THAT(std::string(strict.message()), HasSubstr(part));
  }
  job.spec.mutable_initial_weights()->set_allow_missing(true);
  ASSERT_TRUE(Run(job).ok());
  EXPECT_EQ(recorder_->Last(v1::Event::kLog).log().level(), v1::LogLine::LEVEL_WARNING);
  EXPECT_THAT(Logs(),
              ElementsAre("initial weights from models/m: 1 tensor loaded (from BF16); not in the file, and so "
                          "initialized: o.weight; in the file, but not in the network: head.bias, steps (I64)"));
  // Nothing of it fits: the wrong file.
  write(absl::StrCat("{", Entry("head.bias", "F16", "1", 0, 2), "}"), weight.substr(0, 2));
  job.checkpoint_dir = folder_ / "none";
  EXPECT_THAT(std::string(Run(job).message()), HasSubstr("none of its tensors is one of the network"));
}

}  // namespace
}  // namespace traind::core
