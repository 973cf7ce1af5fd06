#include "server/services/model_service.h"

#include <gmock/gmock.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "core/checkpoint/checkpoint_dir.h"
#include "tests/server/services/services_fixture.h"
#include "tests/support/bytes.h"

namespace traind::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

// A safetensors file with one tensor of one float32.
std::string OneTensor(const std::string& name = "a.weight") {
  const std::string header = R"({")" + name + R"(":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
  return std::string(1, static_cast<char>(header.size())) + std::string(7, '\0') + header + "abcd";
}

class ModelServiceTest : public ServicesTest {
 protected:
  grpc::Status Upload(const std::string& id, const std::string& bytes, v1::Model* model,
                      const v1::UploadModelHeader& header = {}) {
    return UploadModel(id, bytes, model, header);
  }
  grpc::Status Get(const std::string& name, v1::Model* model) {
    v1::GetModelRequest request;
    request.set_name(name);
    grpc::ClientContext context;
    return models_->GetModel(&context, request, model);
  }
  grpc::Status Delete(const std::string& name, const std::string& etag = "") {
    v1::DeleteModelRequest request;
    request.set_name(name);
    request.set_etag(etag);
    google::protobuf::Empty empty;
    grpc::ClientContext context;
    return models_->DeleteModel(&context, request, &empty);
  }
  // A checkpoint as a worker of the job writes it.
  void SaveCheckpoint(const std::string& job, uint64_t step, double loss) {
    const std::vector<core::Tensor> tensors = {{"a.weight", {1}, {0.5f}}};
    const auto sources = core::SourcesOf(tensors);
    core::CheckpointContent content{.weights = sources, .state = sources};
    content.manifest.set_step(step);
    content.manifest.set_best_evaluation_loss(loss);
    content.manifest.set_evaluation_loss(loss);
    const absl::Status saved =
        core::SaveCheckpoint(folder_.path() + "/data/jobs/" + job + "/checkpoints", content, {.keep_last = 100});
    ASSERT_TRUE(saved.ok()) << saved;
  }
  grpc::Status GetCheckpoint(const std::string& name, v1::Checkpoint* checkpoint) {
    v1::GetCheckpointRequest request;
    request.set_name(name);
    grpc::ClientContext context;
    return models_->GetCheckpoint(&context, request, checkpoint);
  }
  grpc::Status DeleteCheckpoint(const std::string& name, const std::string& etag = "") {
    v1::DeleteCheckpointRequest request;
    request.set_name(name);
    request.set_etag(etag);
    google::protobuf::Empty empty;
    grpc::ClientContext context;
    return models_->DeleteCheckpoint(&context, request, &empty);
  }
  // The steps of the job's checkpoints, page by page of two.
  std::vector<uint64_t> Steps(const std::string& filter = "", const std::string& order = "") {
    v1::ListCheckpointsRequest request;
    request.set_parent("jobs/j");
    request.set_filter(filter);
    request.set_order_by(order);
    request.set_page_size(2);
    std::vector<uint64_t> steps;
    do {
      v1::ListCheckpointsResponse response;
      grpc::ClientContext context;
      const grpc::Status status = models_->ListCheckpoints(&context, request, &response);
      EXPECT_TRUE(status.ok()) << status.error_message();
      for (const v1::Checkpoint& checkpoint : response.checkpoints()) steps.push_back(checkpoint.step());
      request.set_page_token(response.next_page_token());
    } while (!request.page_token().empty());
    return steps;
  }
};

TEST_F(ModelServiceTest, RefusesAModelThatIsNone) {
  v1::Model model;
  EXPECT_EQ(Upload("m", "abcd", &model).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path() + "/data/models"));
}

TEST_F(ModelServiceTest, KeepsAModelAsItsWeightsAndTheirChecksum) {
  const std::string bytes = OneTensor();
  v1::Model model;
  const grpc::Status status = Upload("m", bytes, &model);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(model.name(), "models/m");
  ASSERT_EQ(model.tensors_size(), 1);
  EXPECT_EQ(model.tensors(0).name(), "a.weight");
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder_.path() + "/data/models/m")) {
    files.push_back(entry.path().filename());
  }
  EXPECT_THAT(files, UnorderedElementsAre("weights.safetensors", "weights.pb", "model.pb"));
  EXPECT_EQ(Upload("m", bytes, &model).error_code(), grpc::StatusCode::ALREADY_EXISTS);
}

TEST_F(ModelServiceTest, GetsListsUpdatesAndDeletesModels) {
  v1::UploadModelHeader header;
  (*header.mutable_labels())["team"] = "vision";
  v1::Model uploaded;
  for (const char* id : {"b", "a"}) ASSERT_TRUE(Upload(id, OneTensor(), &uploaded, header).ok());
  v1::Model model;
  ASSERT_TRUE(Get("models/a", &model).ok());
  EXPECT_EQ(model.SerializeAsString(), uploaded.SerializeAsString());
  EXPECT_EQ(model.uid().size(), 36u);
  EXPECT_EQ(model.labels().at("team"), "vision");
  EXPECT_EQ(model.tensors_size(), 1);
  EXPECT_EQ(Get("models/none", &model).error_code(), grpc::StatusCode::NOT_FOUND);

  v1::UpdateModelRequest update;
  update.mutable_model()->set_name("models/a");
  update.mutable_model()->set_etag(uploaded.etag());
  (*update.mutable_model()->mutable_labels())["stage"] = "best";
  update.mutable_update_mask()->add_paths("labels");
  grpc::ClientContext first;
  const grpc::Status status = models_->UpdateModel(&first, update, &model);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(model.labels().size(), 1u);
  EXPECT_NE(model.etag(), uploaded.etag());
  EXPECT_EQ(model.uid(), uploaded.uid());
  EXPECT_EQ(model.tensors_size(), 1);
  grpc::ClientContext second;
  EXPECT_EQ(models_->UpdateModel(&second, update, &model).error_code(), grpc::StatusCode::ABORTED);
  (*update.mutable_model()->mutable_labels())["No Key"] = "";
  update.mutable_update_mask()->add_paths("tensors");
  grpc::ClientContext third;
  EXPECT_THAT(Fields(models_->UpdateModel(&third, update, &model)),
              ElementsAre("update_mask.paths[1]", "model.labels"));

  v1::ListModelsRequest list;
  list.set_filter("labels.stage = best");
  v1::ListModelsResponse response;
  grpc::ClientContext listing;
  ASSERT_TRUE(models_->ListModels(&listing, list, &response).ok());
  ASSERT_EQ(response.models_size(), 1);
  EXPECT_EQ(response.models(0).name(), "models/a");
  EXPECT_EQ(response.models(0).tensors_size(), 0);
  EXPECT_EQ(response.models(0).labels().at("stage"), "best");

  EXPECT_EQ(Delete("models/a", uploaded.etag()).error_code(), grpc::StatusCode::ABORTED);
  EXPECT_TRUE(Delete("models/a", response.models(0).etag()).ok());
  EXPECT_EQ(Delete("models/a").error_code(), grpc::StatusCode::NOT_FOUND);
  ASSERT_TRUE(Upload("a", OneTensor(), &model).ok());
  EXPECT_NE(model.uid(), uploaded.uid());
}

TEST_F(ModelServiceTest, OpensAModelOfAnOlderVersion) {
  v1::Model uploaded, model, again;
  ASSERT_TRUE(Upload("m", OneTensor(), &uploaded).ok());
  std::filesystem::remove(folder_.path() + "/data/models/m/model.pb");
  ASSERT_TRUE(Get("models/m", &model).ok());
  ASSERT_TRUE(Get("models/m", &again).ok());
  EXPECT_EQ(model.SerializeAsString(), again.SerializeAsString()) << "each time the same";
  EXPECT_EQ(model.uid().size(), 36u);
  EXPECT_EQ(model.size_bytes(), uploaded.size_bytes());
  EXPECT_GT(model.create_time().seconds(), 0);
  EXPECT_EQ(model.tensors_size(), 1);
}

TEST_F(ModelServiceTest, AnUploadOfTheSameRequestIsMadeOnce) {
  v1::UploadModelHeader header;
  header.set_request_id("r");
  v1::Model first, again;
  ASSERT_TRUE(Upload("m", OneTensor(), &first, header).ok());
  ASSERT_TRUE(Upload("m", OneTensor(), &again, header).ok());
  EXPECT_EQ(again.SerializeAsString(), first.SerializeAsString());
  EXPECT_THAT(Fields(Upload("n", OneTensor(), &again, header)), ElementsAre("request_id"));
  EXPECT_EQ(Upload("m", OneTensor(), &again).error_code(), grpc::StatusCode::ALREADY_EXISTS) << "another request";
  ASSERT_TRUE(Delete("models/m").ok());
  const grpc::Status deleted = Upload("m", OneTensor(), &again, header);
  EXPECT_EQ(deleted.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(deleted.error_message(), HasSubstr("models/m, which this request made, was deleted"));
  header.set_request_id(std::string(65, 'r'));
  (*header.mutable_labels())["No Key"] = "";
  EXPECT_THAT(Fields(Upload("x", OneTensor(), &again, header)), ElementsAre("header.labels", "header.request_id"));
}

TEST_F(ModelServiceTest, GetsListsAndDeletesCheckpoints) {
  Import("digits");
  v1::Job job;
  ASSERT_TRUE(Create(JobRequest("j"), &job).ok());
  launcher_.Await(1);
  EXPECT_THAT(Steps(), IsEmpty());
  for (const auto& [step, loss] : std::vector<std::pair<uint64_t, double>>{{1, 0.5}, {2, 0.25}, {3, 0.75}, {4, 0.7}}) {
    SaveCheckpoint("j", step, loss);
  }
  EXPECT_THAT(Steps(), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(Steps("evaluation_loss > 0.4 AND step < 4"), ElementsAre(1, 3));
  EXPECT_THAT(Steps("best = true"), ElementsAre(2));
  EXPECT_THAT(Steps("", "evaluation_loss desc"), ElementsAre(3, 4, 1, 2));

  v1::Checkpoint best, latest, checkpoint;
  ASSERT_TRUE(GetCheckpoint("jobs/j/checkpoints/best", &best).ok());
  EXPECT_EQ(best.name(), "jobs/j/checkpoints/2");
  EXPECT_TRUE(best.best());
  EXPECT_EQ(best.uid().size(), 36u);
  EXPECT_EQ(best.update_time().seconds(), best.create_time().seconds());
  ASSERT_TRUE(GetCheckpoint("jobs/j/checkpoints/latest", &latest).ok());
  EXPECT_EQ(latest.step(), 4u);
  EXPECT_EQ(GetCheckpoint("jobs/j/checkpoints/9", &checkpoint).error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(GetCheckpoint("jobs/k/checkpoints/1", &checkpoint).error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(GetCheckpoint("models/m", &checkpoint).error_code(), grpc::StatusCode::INVALID_ARGUMENT);

  const grpc::Status needed = DeleteCheckpoint("jobs/j/checkpoints/4");
  EXPECT_EQ(needed.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(needed.error_message(), "jobs/j is RUNNING and would go on from jobs/j/checkpoints/4, its newest one");
  EXPECT_TRUE(DeleteCheckpoint("jobs/j/checkpoints/3").ok());
  EXPECT_EQ(DeleteCheckpoint("jobs/j/checkpoints/3").error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(DeleteCheckpoint("jobs/j/checkpoints/best").error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(DeleteCheckpoint("jobs/j/checkpoints/2", latest.etag()).error_code(), grpc::StatusCode::ABORTED);
  EXPECT_TRUE(DeleteCheckpoint("jobs/j/checkpoints/2", best.etag()).ok());
  EXPECT_THAT(Steps(), ElementsAre(1, 4));
  EXPECT_THAT(Steps("best = true"), IsEmpty()) << "no other stands for the best";
  EXPECT_EQ(
      GetCheckpoint("jobs/j/checkpoints/best", &checkpoint).error_message(),
      "there is no jobs/j/checkpoints/best; the best one, of step 2, was deleted; of those that are left step 1 is "
      "the best");

  launcher_.Await(1)->End(WorkerExit::Kind::kFinished);
  v1::WatchJobRequest watch;
  watch.set_name("jobs/j");
  std::vector<v1::Event> events;
  ASSERT_TRUE(Watch(watch, &events).ok());
  EXPECT_TRUE(DeleteCheckpoint("jobs/j/checkpoints/4").ok()) << "a job that has ended needs none";
  EXPECT_THAT(Steps(), ElementsAre(1));
}

TEST_F(ModelServiceTest, KeepsTheCheckpointsOfAJobThatMayEndWithAnyOfThem) {
  Import("digits");
  v1::CreateJobRequest request = JobRequest("j");
  request.mutable_spec()->mutable_early_stopping()->set_patience(3);
  request.mutable_spec()->mutable_early_stopping()->set_restore_best(true);
  v1::Job job;
  ASSERT_TRUE(Create(request, &job).ok());
  launcher_.Await(1);
  for (uint64_t step : {1, 2}) SaveCheckpoint("j", step, 0.5);
  EXPECT_THAT(DeleteCheckpoint("jobs/j/checkpoints/1").error_message(), HasSubstr("early_stopping.restore_best"));
}

// No worker is started for a request that cannot run.
TEST_F(ModelServiceTest, NamesEveryViolationOfAnEvaluationAndAPredictionAtOnce) {
  Import("digits");
  v1::Job job;
  ASSERT_TRUE(Create(JobRequest("j"), &job).ok());
  launcher_.Await(1)->End(WorkerExit::Kind::kFinished);
  v1::Model model;
  const std::string weights = std::string("\x02\0\0\0\0\0\0\0", 8) + "{}";  // A safetensors file of no tensors.
  const grpc::Status uploaded = Upload("m", weights, &model);
  ASSERT_TRUE(uploaded.ok()) << uploaded.error_message();

  v1::EvaluateRequest evaluate;
  evaluate.mutable_model()->set_model("models/m");
  evaluate.mutable_model()->set_job("jobs/j");
  evaluate.set_batch_size(1000);
  evaluate.mutable_data()->set_evaluation_split("nosuch");
  evaluate.mutable_test_time()->set_dropout_samples(5000);
  v1::Operation operation;
  grpc::ClientContext first;
  const grpc::Status evaluated = models_->Evaluate(&first, evaluate, &operation);
  EXPECT_EQ(evaluated.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(Fields(evaluated), ElementsAre("data.evaluation_split", "batch_size", "test_time.dropout_samples"));

  v1::PredictSplitRequest split;
  *split.mutable_model() = evaluate.model();
  *split.mutable_test_time() = evaluate.test_time();
  split.mutable_range()->set_dataset("none");
  grpc::ClientContext second;
  EXPECT_THAT(Fields(models_->PredictSplit(&second, split, &operation)),
              ElementsAre("range.dataset", "test_time.dropout_samples"));
  v1::PredictRequest predict;
  *predict.mutable_model() = evaluate.model();
  *predict.mutable_test_time() = evaluate.test_time();
  v1::PredictResponse predicted;
  grpc::ClientContext third;
  EXPECT_THAT(Fields(models_->Predict(&third, predict, &predicted)),
              ElementsAre("examples", "test_time.dropout_samples"));

  EXPECT_EQ(launcher_.started(), 1u) << "that of the job";

  // What the worker gets is resolved.
  split.mutable_range()->Clear();
  split.mutable_range()->set_first(15);
  split.clear_test_time();
  grpc::ClientContext fourth;
  ASSERT_TRUE(models_->PredictSplit(&fourth, split, &operation).ok());
  const v1::PredictSplitRequest resolved = launcher_.Await(2)->task.predict().split();
  EXPECT_EQ(resolved.range().dataset(), "datasets/digits");
  EXPECT_EQ(resolved.range().split(), "test");
  EXPECT_EQ(resolved.range().count(), static_cast<uint64_t>(kExamples - 15));
  EXPECT_EQ(resolved.test_time().fractional_samples(), 1u);
}

TEST_F(ModelServiceTest, NobodyComputesWithDamagedWeights) {
  TrainedJob({6, 12});
  v1::Model model;
  ASSERT_TRUE(Upload("m", OneTensor(), &model).ok());
  const std::string data = folder_.path() + "/data";
  for (const char* file :
       {"/jobs/a/checkpoints/step-000000000012/weights.safetensors", "/models/m/weights.safetensors"}) {
    std::string bytes = ReadBytes(data + file);
    bytes.back() = static_cast<char>(bytes.back() ^ 4);
    WriteBytes(data + file, bytes);
  }
  for (const char* name : {"jobs/a/checkpoints/12", "models/m"}) {
    v1::EvaluateRequest evaluate;
    evaluate.mutable_model()->set_model(name);
    evaluate.mutable_model()->set_job("jobs/a");
    v1::Operation operation;
    grpc::ClientContext first;
    const grpc::Status evaluated = models_->Evaluate(&first, evaluate, &operation);
    EXPECT_EQ(evaluated.error_code(), grpc::StatusCode::DATA_LOSS) << evaluated.error_message();
    EXPECT_THAT(evaluated.error_message(), HasSubstr(std::string(name) + " is damaged"));
    v1::CreateJobRequest create = JobRequest("b");
    create.mutable_spec()->mutable_initial_weights()->set_model(name);
    v1::Job job;
    EXPECT_EQ(Create(create, &job).error_code(), grpc::StatusCode::DATA_LOSS) << "to begin with";
  }
  EXPECT_EQ(launcher_.started(), 1u) << "that of the job";
  v1::EvaluateRequest evaluate;
  evaluate.mutable_model()->set_model("jobs/a/checkpoints/6");
  v1::Operation operation;
  grpc::ClientContext context;
  const grpc::Status evaluated = models_->Evaluate(&context, evaluate, &operation);
  EXPECT_TRUE(evaluated.ok()) << evaluated.error_message();
}

// A call whose caller waits no longer costs no worker.
TEST_F(ModelServiceTest, APredictionEndsAtItsCallersDeadline) {
  Import("digits");
  v1::Job job;
  ASSERT_TRUE(Create(JobRequest("j"), &job).ok());
  launcher_.Await(1)->End(WorkerExit::Kind::kFinished);
  v1::Model model;
  ASSERT_TRUE(Upload("m", OneTensor(), &model).ok());
  v1::PredictRequest predict;
  predict.mutable_model()->set_model("models/m");
  predict.mutable_model()->set_job("jobs/j");
  for (const int n : {1, 16}) predict.mutable_examples()->add_shape(n);
  predict.mutable_examples()->mutable_values()->Resize(16, 50);
  v1::PredictResponse predicted;
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(300));
  EXPECT_EQ(models_->Predict(&context, predict, &predicted).error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  const auto worker = launcher_.Await(2);
  absl::MutexLock lock(&worker->mu);
  const auto killed = [&worker]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(worker->mu) { return worker->killed; };
  worker->mu.Await(absl::Condition(&killed));
}

}  // namespace
}  // namespace traind::server
