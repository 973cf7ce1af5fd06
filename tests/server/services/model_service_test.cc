#include "server/services/model_service.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "core/base/checksum.h"
#include "tests/server/services/services_fixture.h"

namespace traind::server {
namespace {

using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

class ModelServiceTest : public ServicesTest {
 protected:
  grpc::Status Upload(const std::string& id, const std::string& bytes, v1::Model* model) {
    grpc::ClientContext context;
    auto stream = models_->UploadModel(&context, model);
    v1::UploadModelRequest request;
    request.mutable_header()->set_model_id(id);
    request.mutable_header()->set_size_bytes(static_cast<int64_t>(bytes.size()));
    request.mutable_header()->set_crc32(core::Crc32Hex(bytes));
    stream->Write(request);
    request.set_chunk(bytes);
    stream->Write(request);
    stream->WritesDone();
    return stream->Finish();
  }
};

TEST_F(ModelServiceTest, RefusesAModelThatIsNone) {
  v1::Model model;
  EXPECT_EQ(Upload("m", "abcd", &model).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path() + "/data/models"));
}

TEST_F(ModelServiceTest, KeepsAModelAsItsWeightsAndTheirChecksum) {
  // One tensor of one float32.
  const std::string header = R"({"a.weight":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
  const std::string bytes = std::string(1, static_cast<char>(header.size())) + std::string(7, '\0') + header + "abcd";
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
  EXPECT_THAT(files, UnorderedElementsAre("weights.safetensors", "weights.pb"));
  EXPECT_EQ(Upload("m", bytes, &model).error_code(), grpc::StatusCode::ALREADY_EXISTS);
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
  v1::EvaluationMetrics metrics;
  grpc::ClientContext first;
  const grpc::Status evaluated = models_->Evaluate(&first, evaluate, &metrics);
  EXPECT_EQ(evaluated.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(Fields(evaluated), ElementsAre("data.evaluation_split", "batch_size", "test_time.dropout_samples"));

  v1::PredictRequest predict;
  *predict.mutable_model() = evaluate.model();
  *predict.mutable_test_time() = evaluate.test_time();
  predict.mutable_range()->set_dataset("none");
  predict.mutable_range()->set_count(1001);
  v1::PredictResponse predicted;
  grpc::ClientContext second;
  EXPECT_THAT(Fields(models_->Predict(&second, predict, &predicted)),
              ElementsAre("range.dataset", "range.count", "test_time.dropout_samples"));
  predict.clear_input();
  grpc::ClientContext third;
  EXPECT_THAT(Fields(models_->Predict(&third, predict, &predicted)), ElementsAre("input", "test_time.dropout_samples"));

  EXPECT_EQ(launcher_.started(), 1u) << "that of the job";

  // What the worker gets is resolved.
  predict.mutable_range()->set_first(15);
  predict.clear_test_time();
  std::thread good([&] {
    grpc::ClientContext context;
    models_->Predict(&context, predict, &predicted);
  });
  const auto worker = launcher_.Await(2);
  const v1::PredictRequest& resolved = worker->task.predict().request();
  EXPECT_EQ(resolved.range().dataset(), "datasets/digits");
  EXPECT_EQ(resolved.range().split(), "test");
  EXPECT_EQ(resolved.range().count(), static_cast<uint64_t>(kExamples - 15));
  EXPECT_EQ(resolved.test_time().fractional_samples(), 1u);
  worker->End(WorkerExit::Kind::kFinished);
  good.join();
}

}  // namespace
}  // namespace traind::server
