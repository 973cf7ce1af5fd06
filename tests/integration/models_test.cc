// Weights in and out, evaluation and prediction against a float64 computation of our own, and data that came by upload.
#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/fixture.h"

namespace traind::integration {
namespace {

using ::testing::HasSubstr;

// PointsJob's network, in float64: the logits of `n` examples.
std::vector<double> Forward(const std::map<std::string, Tensor>& tensors, const std::vector<float>& x, int n) {
  const auto dense = [&](const std::string& layer, const std::vector<double>& input) {
    const Tensor& weight = tensors.at(layer + ".weight");
    const Tensor& bias = tensors.at(layer + ".bias");
    const size_t out = static_cast<size_t>(weight.shape[0]);
    const size_t in = static_cast<size_t>(weight.shape[1]);
    std::vector<double> output;
    for (size_t i = 0; i < static_cast<size_t>(n); ++i) {
      for (size_t o = 0; o < out; ++o) {
        double sum = bias.values[o];
        for (size_t k = 0; k < in; ++k) sum += static_cast<double>(weight.values[o * in + k]) * input[i * in + k];
        output.push_back(sum);
      }
    }
    return output;
  };
  std::vector<double> hidden = dense("hidden", {x.begin(), x.end()});
  for (double& value : hidden) value = std::tanh(value);
  return dense("output", hidden);
}

class ModelsTest : public IntegrationTest {
 protected:
  void SetUp() override { StartServer(); }

  grpc::Status UploadModel(const std::string& id, const std::string& file, v1::Model* model) {
    const auto context = NewContext();
    const auto stream = models_->UploadModel(context.get(), model);
    v1::UploadModelRequest request;
    request.mutable_header()->set_model_id(id);
    request.mutable_header()->set_size_bytes(static_cast<int64_t>(file.size()));
    request.mutable_header()->set_crc32(Crc32Text(file));
    bool open = stream->Write(request);
    for (size_t begin = 0; open && begin < file.size(); begin += 100) {
      request.set_chunk(file.substr(begin, 100));
      open = stream->Write(request);
    }
    stream->WritesDone();
    return stream->Finish();
  }
  void Train(const v1::JobSpec& spec, const std::string& id) {
    Watcher watcher(server_.get(), Submit(spec, id).name());
    const v1::Event last = watcher.Finish().back();
    ASSERT_EQ(last.state().state(), v1::JOB_STATE_SUCCEEDED) << last.ShortDebugString();
  }
};

TEST_F(ModelsTest, ZeroStepsGiveBackTheUploadedWeights) {
  ImportPoints();
  std::mt19937 random(3);
  std::map<std::string, Tensor> tensors = {{"hidden.weight", {{16, kFeatures}, {}}},
                                           {"hidden.bias", {{16}, {}}},
                                           {"output.weight", {{kClasses, 16}, {}}},
                                           {"output.bias", {{kClasses}, {}}}};
  for (auto& [name, tensor] : tensors) {
    int64_t size = 1;
    for (int64_t dim : tensor.shape) size *= dim;
    for (int64_t i = 0; i < size; ++i) tensor.values.push_back(std::normal_distribution<float>(0, 1)(random));
  }
  v1::Model model;
  const grpc::Status status = UploadModel("mine", Safetensors(tensors), &model);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(model.tensors_size(), 4);
  v1::JobSpec spec = PointsJob(0);
  spec.mutable_initial_weights()->set_model("models/mine");
  Train(spec, "untouched");
  const std::map<std::string, Tensor> back = ParseSafetensors(Download("jobs/untouched/checkpoints/latest"));
  ASSERT_EQ(back.size(), tensors.size());
  for (const auto& [name, tensor] : tensors) {
    ASSERT_TRUE(back.contains(name)) << name;
    EXPECT_EQ(back.at(name).shape, tensor.shape) << name;
    EXPECT_EQ(back.at(name).values, tensor.values) << name;
  }
  // One tensor less: refused by name, unless the job allows it.
  tensors.erase("output.bias");
  ASSERT_TRUE(UploadModel("less", Safetensors(tensors), &model).ok());
  spec.mutable_initial_weights()->set_model("models/less");
  v1::CreateJobRequest request;
  *request.mutable_spec() = spec;
  v1::Job job;
  const grpc::Status refused = training_->CreateJob(NewContext().get(), request, &job);
  if (refused.ok()) {
    const v1::Event last = Watcher(server_.get(), job.name()).Finish().back();
    EXPECT_EQ(last.state().state(), v1::JOB_STATE_FAILED);
    EXPECT_THAT(last.state().error().message(), HasSubstr("output.bias"));
  } else {
    EXPECT_EQ(refused.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_THAT(refused.error_message(), HasSubstr("output.bias"));
  }
  spec.mutable_initial_weights()->set_allow_missing(true);
  Train(spec, "completed");
  const auto completed = ParseSafetensors(Download("jobs/completed/checkpoints/latest"));
  EXPECT_EQ(completed.at("output.weight").values, tensors.at("output.weight").values);
  EXPECT_EQ(completed.at("output.bias").values, std::vector<float>(kClasses, 0.0f));
}

// A job of kClasses classes goes on as one of two more, under another name of the last layer.
TEST_F(ModelsTest, AnotherHeadBeginsWithTheWeightsOfABody) {
  ImportPoints();
  Train(PointsJob(20), "narrow");
  const auto before = ParseSafetensors(Download("jobs/narrow/checkpoints/latest"));
  v1::JobSpec spec = PointsJob(0);
  spec.mutable_initial_weights()->set_model("jobs/narrow");
  spec.mutable_network()->mutable_layers(spec.network().layers_size() - 1)->mutable_dense()->set_units(kClasses + 2);

  v1::CreateJobRequest request;
  *request.mutable_spec() = spec;
  v1::Job job;
  const grpc::Status refused = training_->CreateJob(NewContext().get(), request, &job);
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(refused.error_message(), HasSubstr("output.weight: has shape"));
  EXPECT_THAT(refused.error_message(), HasSubstr("on_mismatch: SKIP"));

  spec.mutable_initial_weights()->set_on_mismatch(v1::InitialWeights::MISMATCH_SKIP);
  Train(spec, "wide");
  auto after = ParseSafetensors(Download("jobs/wide/checkpoints/latest"));
  EXPECT_EQ(after.at("hidden.weight").values, before.at("hidden.weight").values);
  EXPECT_EQ(after.at("output.bias").shape, (std::vector<int64_t>{kClasses + 2}));

  spec.mutable_network()->mutable_layers(spec.network().layers_size() - 1)->set_name("head");
  v1::WeightRule& rule = *spec.mutable_initial_weights()->add_rules();
  rule.set_to("head.*");
  rule.set_from("output.*");
  spec.mutable_network()->mutable_layers(spec.network().layers_size() - 1)->mutable_dense()->set_units(kClasses);
  Train(spec, "renamed");
  after = ParseSafetensors(Download("jobs/renamed/checkpoints/latest"));
  EXPECT_EQ(after.at("head.weight").values, before.at("output.weight").values);

  rule.set_to("tail.*");
  *request.mutable_spec() = spec;
  const grpc::Status idle = training_->CreateJob(NewContext().get(), request, &job);
  EXPECT_THAT(idle.error_message(), HasSubstr("spec.initial_weights.rules[0].to: no tensor of the network"));
}

TEST_F(ModelsTest, EvaluateAndPredictAgreeWithFloat64) {
  ImportPoints();
  Train(PointsJob(200), "trained");
  const auto tensors = ParseSafetensors(Download("jobs/trained/checkpoints/latest"));
  const std::vector<float> x = PointsOf(kTestExamples, 2);
  const std::vector<double> logits = Forward(tensors, x, kTestExamples);
  double loss = 0;
  int right = 0;
  std::vector<int64_t> classes;
  std::vector<double> probabilities;
  for (size_t i = 0; i < kTestExamples; ++i) {
    const auto row = logits.begin() + static_cast<std::ptrdiff_t>(i * kClasses);
    const auto best = std::max_element(row, row + kClasses);
    double sum = 0;
    for (auto logit = row; logit != row + kClasses; ++logit) sum += std::exp(*logit - *best);
    for (auto logit = row; logit != row + kClasses; ++logit) probabilities.push_back(std::exp(*logit - *best) / sum);
    loss -= std::log(probabilities[i * kClasses + i % kClasses]) / kTestExamples;
    classes.push_back(best - row);
    right += classes.back() == static_cast<int64_t>(i % kClasses);
  }

  v1::EvaluateRequest evaluate;
  evaluate.mutable_model()->set_model("jobs/trained/checkpoints/latest");
  v1::EvaluationMetrics metrics;
  grpc::Status status = Evaluate(evaluate, &metrics);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(metrics.examples(), kTestExamples);
  EXPECT_NEAR(metrics.loss(), loss, 1e-5);
  EXPECT_DOUBLE_EQ(metrics.accuracy(), static_cast<double>(right) / kTestExamples);

  v1::PredictRequest predict;
  *predict.mutable_model() = evaluate.model();
  predict.mutable_examples()->add_shape(kTestExamples);
  predict.mutable_examples()->add_shape(kFeatures);
  predict.mutable_examples()->mutable_values()->Add(x.begin(), x.end());
  v1::PredictResponse predicted;
  status = models_->Predict(NewContext().get(), predict, &predicted);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_THAT(predicted.shape(), ::testing::ElementsAre(kTestExamples, kClasses));
  ASSERT_EQ(predicted.outputs_size(), kTestExamples * kClasses);
  ASSERT_EQ(predicted.probabilities_size(), kTestExamples * kClasses);
  for (int i = 0; i < kTestExamples * kClasses; ++i) {
    EXPECT_NEAR(predicted.outputs(i), logits[static_cast<size_t>(i)], 1e-4);
    EXPECT_NEAR(predicted.probabilities(i), probabilities[static_cast<size_t>(i)], 1e-5);
  }
  EXPECT_THAT(predicted.classes(), ::testing::ElementsAreArray(classes));

  // The same through a range of the split, which knows its labels.
  v1::PredictSplitRequest split;
  *split.mutable_model() = evaluate.model();
  split.mutable_range()->set_split("test");
  split.mutable_range()->set_first(10);
  split.mutable_range()->set_count(5);
  v1::PredictSplitResponse made;
  status = PredictSplit(split, &made);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(made.examples(), 5);
  EXPECT_EQ(made.outputs(), kClasses);
  const v1::PredictResponse range = ReadPredictions(made.operation());
  EXPECT_EQ(range.first(), 10);
  ASSERT_EQ(range.outputs_size(), 5 * kClasses);
  for (int i = 0; i < 5 * kClasses; ++i) EXPECT_NEAR(range.outputs(i), predicted.outputs(10 * kClasses + i), 1e-5);
  EXPECT_THAT(range.labels(), ::testing::ElementsAre(2, 3, 0, 1, 2));
}

TEST_F(ModelsTest, CheckpointsAreListedAndKept) {
  ImportPoints();
  v1::JobSpec spec = PointsJob(500);
  spec.mutable_checkpoint()->set_keep_last(2);
  Train(spec, "kept");
  v1::ListCheckpointsRequest request;
  request.set_parent("jobs/kept");
  v1::ListCheckpointsResponse response;
  const grpc::Status status = models_->ListCheckpoints(NewContext().get(), request, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  std::vector<uint64_t> steps;
  int best = 0;
  for (const v1::Checkpoint& checkpoint : response.checkpoints()) {
    steps.push_back(checkpoint.step());
    best += checkpoint.best();
    EXPECT_EQ(ParseSafetensors(Download(checkpoint.name())).size(), 4u);
  }
  EXPECT_EQ(best, 1);
  EXPECT_TRUE(std::is_sorted(steps.begin(), steps.end()));
  ASSERT_GE(steps.size(), 2u);
  EXPECT_LE(steps.size(), 3u);  // The best may be a third.
  EXPECT_EQ(steps.back(), 500u);
  EXPECT_EQ(steps[steps.size() - 2], 450u);
}

// From files on the client's disk to predictions, with a broken upload in between.
TEST_F(ModelsTest, FullCycleWithAResumedUpload) {
  const std::map<std::string, std::string> files = {
      {"train-x", NpyOf(PointsOf(kTrainExamples, 1), {kTrainExamples, kFeatures})},
      {"train-y", NpyOf(LabelsOf(kTrainExamples))},
      {"test-x", NpyOf(PointsOf(kTestExamples, 2), {kTestExamples, kFeatures})},
      {"test-y", NpyOf(LabelsOf(kTestExamples))}};
  for (const auto& [id, file] : files) {
    v1::Upload upload;
    if (id == "train-x") {
      // Half of it; the server dies; then the rest from where the server says.
      EXPECT_EQ(Upload(id, file, 0, file.size() / 2, &upload).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
      server_->Kill();
      RestartServer();
      v1::GetUploadRequest get;
      get.set_name("uploads/" + id);
      ASSERT_TRUE(datasets_->GetUpload(NewContext().get(), get, &upload).ok());
      EXPECT_FALSE(upload.complete());
      EXPECT_EQ(upload.committed_bytes(), static_cast<int64_t>(file.size() / 2));
      EXPECT_EQ(Upload(id, file, file.size() - 1, file.size(), &upload).error_code(), grpc::StatusCode::OUT_OF_RANGE);
      ASSERT_TRUE(datasets_->GetUpload(NewContext().get(), get, &upload).ok());
    }
    const grpc::Status status = Upload(id, file, static_cast<size_t>(upload.committed_bytes()), file.size(), &upload);
    ASSERT_TRUE(status.ok()) << id << ": " << status.error_message();
    EXPECT_TRUE(upload.complete());
    EXPECT_EQ(upload.size_bytes(), static_cast<int64_t>(file.size()));
  }
  v1::ImportDatasetRequest request;
  request.set_dataset_id("points");
  for (const std::string split : {"train", "test"}) {
    v1::SplitSource& source = *request.add_splits();
    source.set_name(split);
    source.mutable_examples()->set_upload("uploads/" + split + "-x");
    source.mutable_labels()->set_upload("uploads/" + split + "-y");
  }
  v1::Dataset dataset;
  const grpc::Status imported = Import(request, &dataset);
  ASSERT_TRUE(imported.ok()) << imported.error_message();
  EXPECT_EQ(dataset.splits(0).num_examples(), kTrainExamples);

  Train(PointsJob(300), "cycle");
  v1::EvaluateRequest evaluate;
  evaluate.mutable_model()->set_model("jobs/cycle/checkpoints/best");
  v1::EvaluationMetrics metrics;
  const grpc::Status status = Evaluate(evaluate, &metrics);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_GT(metrics.accuracy(), 0.9);
}

TEST_F(ModelsTest, AProbeTrainsNothing) {
  ImportPoints();
  v1::ProbeNetworkRequest request;
  *request.mutable_network() = PointsJob(1).network();
  request.mutable_data()->set_dataset("points");
  request.set_batch_size(64);
  v1::ProbeNetworkResponse response;
  const grpc::Status status = training_->ProbeNetwork(NewContext().get(), request, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  ASSERT_EQ(response.statistics().layers_size(), 2);
  EXPECT_EQ(response.statistics().layers(0).count(), 64 * 16);
  EXPECT_GT(response.statistics().layers(0).std(), 0);
}

}  // namespace
}  // namespace traind::integration
