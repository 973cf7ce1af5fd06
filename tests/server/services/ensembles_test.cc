// Models that are made of others: what is refused, what is kept, who may use them.
#include "server/services/ensembles.h"

#include <gmock/gmock.h>

#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "core/checkpoint/checkpoint_dir.h"
#include "core/checkpoint/safetensors.h"
#include "tests/server/services/services_fixture.h"

namespace traind::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

class EnsemblesTest : public ServicesTest {
 protected:
  // jobs/a with checkpoints of steps 4, 8 and 12, whose weights are all 0.5, 1.5 and 4.
  void SetUp() override {
    TrainedJob({12});
    for (const auto& [step, value] : {std::pair<uint64_t, float>{4, 0.5f}, {8, 1.5f}, {12, 4.0f}}) Save(step, value);
  }
  // `fold` of the training split is held out where there is one.
  void Save(uint64_t step, float value, const std::string& more = "", int fold = -1) {
    const std::string dir = folder_.path() + "/data/jobs/a/checkpoints";
    auto latest = core::FindCheckpoint(dir, "latest");
    ASSERT_TRUE(latest.ok()) << latest.status();
    std::vector<core::Tensor> tensors = {{"logits.weight", {3, 16}, std::vector<float>(48, value)},
                                         {"logits.bias", {3}, {value, value, value}}};
    if (!more.empty()) tensors.push_back({more, {3}, {value, value, value}});
    const auto sources = core::SourcesOf(tensors);
    core::CheckpointContent content{.manifest = latest->manifest, .weights = sources, .state = sources};
    content.manifest.set_step(step);
    if (fold >= 0) {
      v1::DataSpec& data = *content.manifest.mutable_spec()->mutable_data();
      data.mutable_folds()->set_count(5);
      data.mutable_folds()->set_index(static_cast<uint32_t>(fold));
      data.set_evaluation_split("validation");
    }
    content.manifest.set_evaluation_loss(1.0 / static_cast<double>(step));
    const absl::Status saved = core::SaveCheckpoint(dir, content, {.keep_last = 100});
    ASSERT_TRUE(saved.ok()) << saved;
  }
  static v1::CreateEnsembleRequest Request(const std::string& id, const std::vector<std::string>& members,
                                           v1::Ensemble::Mean mean = v1::Ensemble::MEAN_UNSPECIFIED) {
    v1::CreateEnsembleRequest request;
    request.set_model_id(id);
    request.set_mean(mean);
    for (const std::string& member : members) request.add_members()->set_model(member);
    return request;
  }
  static std::string Step(int step) { return "jobs/a/checkpoints/" + std::to_string(step); }
  grpc::Status CreateEnsemble(const v1::CreateEnsembleRequest& request, v1::Model* model) {
    grpc::ClientContext context;
    return models_->CreateEnsemble(&context, request, model);
  }
  std::string Refused(const v1::CreateEnsembleRequest& request) {
    v1::Model model;
    const grpc::Status status = CreateEnsemble(request, &model);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << status.error_message();
    return status.error_message();
  }
  std::string Download(const std::string& name, grpc::Status* status) {
    v1::DownloadCheckpointRequest request;
    request.set_name(name);
    grpc::ClientContext context;
    auto stream = models_->DownloadCheckpoint(&context, request);
    v1::DownloadCheckpointResponse part;
    std::string bytes;
    while (stream->Read(&part)) bytes += part.chunk();
    *status = stream->Finish();
    return bytes;
  }
  std::vector<std::string> FilesOfModel(const std::string& id) {
    std::vector<std::string> files;
    for (const auto& entry : std::filesystem::directory_iterator(folder_.path() + "/data/models/" + id)) {
      files.push_back(entry.path().filename());
    }
    return files;
  }
  // The task that a prediction by the model starts.
  internal::Task TaskOf(const std::string& model, std::vector<std::string>* warnings = nullptr) {
    v1::PredictSplitRequest request;
    request.mutable_model()->set_model(model);
    grpc::ClientContext context;
    v1::Operation operation;
    const grpc::Status status = models_->PredictSplit(&context, request, &operation);
    EXPECT_TRUE(status.ok()) << status.error_message();
    v1::OperationMetadata metadata;
    operation.metadata().UnpackTo(&metadata);
    if (warnings != nullptr) warnings->assign(metadata.warnings().begin(), metadata.warnings().end());
    return status.ok() ? launcher_.Await(++workers_)->task : internal::Task();
  }
  size_t workers_ = 1;
};

TEST_F(EnsemblesTest, OfOutputsHoldsItsMembers) {
  v1::Model model;
  const grpc::Status status = CreateEnsemble(Request("e", {Step(4), Step(12)}), &model);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(model.name(), "models/e");
  EXPECT_EQ(model.tensors_size(), 0);
  EXPECT_EQ(model.ensemble().mean(), v1::Ensemble::MEAN_OUTPUTS);
  ASSERT_EQ(model.ensemble().members_size(), 2);
  EXPECT_EQ(model.ensemble().members(1).model(), Step(12));
  EXPECT_EQ(model.ensemble().members(1).job(), "jobs/a");
  EXPECT_EQ(model.ensemble().members(0).evaluation_loss(), 0.25);
  EXPECT_EQ(model.size_bytes(), 2 * model.ensemble().members(0).size_bytes());
  EXPECT_THAT(FilesOfModel("e"),
              UnorderedElementsAre("ensemble.pb", "model.pb", "member-0.safetensors", "member-1.safetensors"));

  // The members go, the ensemble stays what it was.
  for (const char* step : {"4", "8"}) {
    grpc::ClientContext context;
    v1::DeleteCheckpointRequest request;
    request.set_name(std::string("jobs/a/checkpoints/") + step);
    google::protobuf::Empty empty;
    ASSERT_TRUE(models_->DeleteCheckpoint(&context, request, &empty).ok());
  }
  Start();
  const internal::Task task = TaskOf("models/e");
  const std::vector<std::string> paths = {task.weights_path(), task.predict().others(0).weights_path()};
  ASSERT_EQ(task.predict().others_size(), 1);
  const float expected[] = {0.5f, 4.0f};
  for (size_t i = 0; i < 2; ++i) {
    auto file = core::Safetensors::Open(paths[i]);
    ASSERT_TRUE(file.ok()) << file.status();
    EXPECT_EQ(file->Load("logits.bias")->values, std::vector<float>(3, expected[i]));
  }
  EXPECT_EQ(task.predict().others(0).spec().network().layers(0).dense().units(), 3u);
}

TEST_F(EnsemblesTest, OfOutputsHasNoWeightsOfItsOwn) {
  v1::Model model;
  ASSERT_TRUE(CreateEnsemble(Request("e", {Step(4), Step(12)}), &model).ok());
  grpc::Status status;
  Download("models/e", &status);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("models/e is an ensemble of outputs: it has no weights of its own"));
  v1::CreateJobRequest job = JobRequest("b");
  job.mutable_spec()->mutable_initial_weights()->set_model("models/e");
  v1::Job made;
  EXPECT_THAT(Create(job, &made).error_message(), HasSubstr("models/e is an ensemble of outputs"));
  v1::ExportModelRequest request;
  request.mutable_model()->set_model("models/e");
  grpc::ClientContext context;
  auto stream = models_->ExportModel(&context, request);
  v1::ExportModelResponse part;
  EXPECT_FALSE(stream->Read(&part));
  EXPECT_THAT(stream->Finish().error_message(), HasSubstr("models/e is an ensemble of outputs"));
  v1::PredictSplitRequest predict;
  predict.mutable_model()->set_model("models/e");
  predict.mutable_model()->set_job("jobs/a");
  grpc::ClientContext predicting;
  v1::Operation operation;
  EXPECT_THAT(Fields(models_->PredictSplit(&predicting, predict, &operation)), ElementsAre("model.job"));
}

TEST_F(EnsemblesTest, TheMeanOfWeightsIsAModel) {
  v1::Model model;
  const grpc::Status status =
      CreateEnsemble(Request("w", {Step(4), Step(8), Step(12)}, v1::Ensemble::MEAN_WEIGHTS), &model);
  ASSERT_TRUE(status.ok()) << status.error_message();
  ASSERT_EQ(model.tensors_size(), 2);
  grpc::Status downloaded;
  const std::string bytes = Download("models/w", &downloaded);
  ASSERT_TRUE(downloaded.ok()) << downloaded.error_message();
  float last = 0;
  std::memcpy(&last, bytes.data() + bytes.size() - sizeof(float), sizeof(float));
  EXPECT_EQ(last, 2) << "(0.5 + 1.5 + 4) / 3";
  const internal::Task task = TaskOf("models/w");
  EXPECT_EQ(task.predict().others_size(), 0);
  EXPECT_EQ(task.predict().spec().network().layers(0).dense().units(), 3u) << "it needs no job beside it";
  // A member of another ensemble.
  EXPECT_TRUE(CreateEnsemble(Request("e", {"models/w", Step(12)}), &model).ok());
}

TEST_F(EnsemblesTest, TheMeanOfALargeTensorIsThatOfItsParts) {
  const std::string dir = folder_.path() + "/data/jobs/a/checkpoints";
  const int64_t elements = (int64_t{1} << 20) + 3;
  for (const auto& [step, value] : {std::pair<uint64_t, float>{16, 1.0f}, {20, 2.0f}}) {
    auto latest = core::FindCheckpoint(dir, "latest");
    ASSERT_TRUE(latest.ok());
    std::vector<core::Tensor> tensors = {{"logits.weight", {elements}, std::vector<float>(elements, value)}};
    tensors[0].values.back() *= 4;
    const auto sources = core::SourcesOf(tensors);
    core::CheckpointContent content{.manifest = latest->manifest, .weights = sources, .state = sources};
    content.manifest.set_step(step);
    ASSERT_TRUE(core::SaveCheckpoint(dir, content, {.keep_last = 100}).ok());
  }
  v1::Model model;
  ASSERT_TRUE(CreateEnsemble(Request("w", {Step(16), Step(20)}, v1::Ensemble::MEAN_WEIGHTS), &model).ok());
  auto file = core::Safetensors::Open(folder_.path() + "/data/models/w/weights.safetensors");
  ASSERT_TRUE(file.ok()) << file.status();
  std::vector<float> expected(elements, 1.5f);
  expected.back() = 6;
  EXPECT_EQ(file->Load("logits.weight")->values, expected);
}

// What one held out, the others were trained on.
TEST_F(EnsemblesTest, OfFoldsIsEvaluatedOnTheTestSplit) {
  Save(16, 1, "", 0);
  Save(20, 1, "", 1);
  for (const auto mean : {v1::Ensemble::MEAN_OUTPUTS, v1::Ensemble::MEAN_WEIGHTS}) {
    const std::string id = mean == v1::Ensemble::MEAN_OUTPUTS ? "o" : "w";
    v1::Model model;
    const grpc::Status status = CreateEnsemble(Request(id, {Step(16), Step(20)}, mean), &model);
    ASSERT_TRUE(status.ok()) << status.error_message();
    std::vector<std::string> warnings;
    const internal::Task task = TaskOf("models/" + id, &warnings);
    EXPECT_EQ(task.predict().split().range().split(), "test");
    EXPECT_FALSE(task.predict().spec().data().has_folds());
    EXPECT_THAT(warnings, ElementsAre(HasSubstr("the members did not hold out the same examples")));
    v1::EvaluateRequest request;
    request.mutable_model()->set_model("models/" + id);
    request.mutable_data()->set_evaluation_split("validation");
    grpc::ClientContext context;
    v1::Operation operation;
    EXPECT_THAT(Fields(models_->Evaluate(&context, request, &operation)), ElementsAre("data.evaluation_split"));
  }
}

TEST_F(EnsemblesTest, OfOneFoldIsEvaluatedOnWhatItHeldOut) {
  Save(20, 1, "", 1);
  Save(24, 1, "", 1);
  v1::Model same;
  ASSERT_TRUE(CreateEnsemble(Request("same", {Step(20), Step(24)}), &same).ok());
  std::vector<std::string> warnings;
  EXPECT_EQ(TaskOf("models/same", &warnings).predict().split().range().split(), "validation");
  EXPECT_THAT(warnings, ::testing::IsEmpty());
}

TEST_F(EnsemblesTest, RefusesMembersThatDoNotGoTogether) {
  EXPECT_THAT(Refused(Request("e", {Step(4)})), HasSubstr("members: must be 2 to 32, not 1"));
  EXPECT_THAT(Refused(Request("E", {Step(4), Step(8)})), HasSubstr("model_id"));
  EXPECT_THAT(Refused(Request("e", {Step(4), Step(4)})), HasSubstr("members[1].model: is jobs/a/checkpoints/4, as"));
  EXPECT_THAT(Refused(Request("e", {Step(4), "jobs/a"})), HasSubstr("members[1].model"));
  v1::Model model;
  EXPECT_EQ(CreateEnsemble(Request("e", {Step(4), Step(5)}), &model).error_code(), grpc::StatusCode::NOT_FOUND);
  Save(16, 1, "norm.running_mean");
  EXPECT_THAT(Refused(Request("e", {Step(16), Step(12)}, v1::Ensemble::MEAN_WEIGHTS)),
              HasSubstr("members[1].model: jobs/a/checkpoints/12 has no tensor norm.running_mean"));
  Save(20, 1, "norm.running_mean");
  v1::CreateEnsembleRequest normalized = Request("e", {Step(16), Step(20)}, v1::Ensemble::MEAN_WEIGHTS);
  EXPECT_THAT(Refused(normalized), HasSubstr("running_statistics: the network has batch normalization (norm)"));
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path() + "/data/models")) << "nothing is left of those";
  normalized.set_running_statistics(v1::CreateEnsembleRequest::RUNNING_STATISTICS_MEAN);
  EXPECT_TRUE(CreateEnsemble(normalized, &model).ok());
  EXPECT_EQ(CreateEnsemble(normalized, &model).error_code(), grpc::StatusCode::ALREADY_EXISTS);
}

TEST_F(EnsemblesTest, TheSameRequestMakesItOnce) {
  v1::CreateEnsembleRequest request = Request("e", {Step(4), Step(8)});
  request.set_request_id("r");
  v1::Model first, again;
  ASSERT_TRUE(CreateEnsemble(request, &first).ok());
  ASSERT_TRUE(CreateEnsemble(request, &again).ok());
  EXPECT_EQ(first.SerializeAsString(), again.SerializeAsString());
  request.set_model_id("f");
  EXPECT_EQ(CreateEnsemble(request, &again).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

}  // namespace
}  // namespace traind::server
