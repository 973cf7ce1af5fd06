// Operations through the API: what is asked for, waited for, cancelled, read and deleted.
#include "server/services/operation_service.h"

#include <gmock/gmock.h>

#include <chrono>
#include <string>
#include <thread>

#include "server/wire/predictions.h"
#include "tests/server/services/services_fixture.h"

namespace traind::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class OperationServiceTest : public ServicesTest {
 protected:
  OperationServiceTest() { launcher_.HoldDataTasks(); }

  v1::Operation Import(const std::string& id, const std::string& request_id = "") {
    v1::ImportDatasetRequest request = ImportRequest(id);
    request.set_request_id(request_id);
    v1::Operation operation;
    const grpc::Status status = Begin(request, &operation);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return operation;
  }
  grpc::Status Begin(const v1::ImportDatasetRequest& request, v1::Operation* operation) {
    grpc::ClientContext context;
    return datasets_->ImportDataset(&context, request, operation);
  }
  grpc::Status Wait(const std::string& name, v1::Operation* operation, int64_t seconds) {
    v1::WaitOperationRequest request;
    request.set_name(name);
    request.mutable_timeout()->set_seconds(seconds);
    grpc::ClientContext context;
    return operations_->WaitOperation(&context, request, operation);
  }
  grpc::Status Read(const std::string& name, int64_t first, std::vector<v1::PredictResponse>* parts) {
    v1::ReadPredictionsRequest request;
    request.set_operation(name);
    request.set_first(first);
    grpc::ClientContext context;
    const auto stream = models_->ReadPredictions(&context, request);
    for (v1::PredictResponse part; stream->Read(&part);) parts->push_back(part);
    return stream->Finish();
  }
};

TEST_F(OperationServiceTest, AnImportAnswersAtOnceAndIsWaitedFor) {
  const v1::Operation begun = Import("digits", "r");
  EXPECT_FALSE(begun.done());
  EXPECT_EQ(Import("digits", "r").name(), begun.name()) << "the same call again";
  v1::Operation operation;
  ASSERT_TRUE(Wait(begun.name(), &operation, 0).ok());
  EXPECT_FALSE(operation.done()) << "the time is over, the work is not";

  const auto worker = launcher_.Await(1);
  ASSERT_EQ(worker->task.import().files_size(), 4);
  EXPECT_EQ(worker->task.import().uid().size(), 36u);
  std::thread end([&] {
    WorkerExit exit;
    exit.kind = WorkerExit::Kind::kFinished;
    exit.result = RunImport(worker->task, [](int64_t, int64_t) {});
    worker->End(exit);
  });
  ASSERT_TRUE(Wait(begun.name(), &operation, 60).ok());
  end.join();
  v1::Dataset dataset;
  ASSERT_TRUE(operation.response().UnpackTo(&dataset)) << operation.ShortDebugString();
  EXPECT_EQ(dataset.name(), "datasets/digits");
  EXPECT_EQ(dataset.uid(), worker->task.import().uid());
  EXPECT_EQ(Import("digits", "r").done(), true) << "it is safe to repeat";
  EXPECT_EQ(Begin(ImportRequest("digits"), &operation).error_code(), grpc::StatusCode::ALREADY_EXISTS);

  grpc::ClientContext listing;
  v1::ListOperationsResponse list;
  ASSERT_TRUE(operations_->ListOperations(&listing, {}, &list).ok());
  ASSERT_EQ(list.operations_size(), 1);
  EXPECT_EQ(list.operations(0).name(), begun.name());
}

TEST_F(OperationServiceTest, WhatIsBeingMadeIsTaken) {
  const v1::Operation first = Import("digits");
  launcher_.Await(1);
  v1::Operation second;
  const grpc::Status status = Begin(ImportRequest("digits"), &second);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::ALREADY_EXISTS);
  EXPECT_THAT(status.error_message(), HasSubstr("datasets/digits is being made by " + first.name()));
}

TEST_F(OperationServiceTest, AnOperationIsCancelledAndDeleted) {
  const v1::Operation begun = Import("digits");
  launcher_.Await(1);
  v1::DeleteOperationRequest remove;
  remove.set_name(begun.name());
  google::protobuf::Empty nothing;
  grpc::ClientContext early;
  EXPECT_EQ(operations_->DeleteOperation(&early, remove, &nothing).error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  v1::CancelOperationRequest cancel;
  cancel.set_name(begun.name());
  v1::Operation operation;
  grpc::ClientContext cancelling;
  ASSERT_TRUE(operations_->CancelOperation(&cancelling, cancel, &operation).ok());
  ASSERT_TRUE(Wait(begun.name(), &operation, 60).ok());
  EXPECT_EQ(operation.error().code(), grpc::StatusCode::CANCELLED);
  grpc::ClientContext late;
  EXPECT_TRUE(operations_->DeleteOperation(&late, remove, &nothing).ok());
  EXPECT_EQ(Wait(begun.name(), &operation, 60).error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(OperationServiceTest, WaitsThatAreGivenUpOrWrongEnd) {
  const v1::Operation begun = Import("digits");
  launcher_.Await(1);
  grpc::ClientContext context;
  v1::WaitOperationRequest request;
  request.set_name(begun.name());
  v1::Operation operation;
  grpc::Status given_up;
  std::thread waiting([&] { given_up = operations_->WaitOperation(&context, request, &operation); });
  context.TryCancel();
  waiting.join();
  EXPECT_EQ(given_up.error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_EQ(Wait(begun.name(), &operation, -1).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(Wait("jobs/a", &operation, 1).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(Wait("operations/none", &operation, 1).error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(OperationServiceTest, PredictionsAreReadWhenTheyAreDone) {
  Import("digits");
  WorkerExit made;
  made.kind = WorkerExit::Kind::kFinished;
  made.result = RunImport(launcher_.Await(1)->task, [](int64_t, int64_t) {});
  launcher_.Await(1)->End(made);
  v1::Operation operation;
  grpc::ClientContext listing;
  v1::ListOperationsResponse list;
  ASSERT_TRUE(operations_->ListOperations(&listing, {}, &list).ok());
  const std::string import = list.operations(0).name();
  ASSERT_TRUE(Wait(import, &operation, 60).ok());
  v1::Job job;
  ASSERT_TRUE(Create(JobRequest("j"), &job).ok());
  launcher_.Await(2)->End(WorkerExit::Kind::kFinished);
  const std::string weights = std::string("\x02\0\0\0\0\0\0\0", 8) + "{}";  // A safetensors file of no tensors.
  v1::Model model;
  ASSERT_TRUE(UploadModel("m", weights, &model).ok());

  v1::PredictSplitRequest request;
  request.mutable_model()->set_model("models/m");
  request.mutable_model()->set_job("jobs/j");
  grpc::ClientContext predicting;
  const grpc::Status begun = models_->PredictSplit(&predicting, request, &operation);
  ASSERT_TRUE(begun.ok()) << begun.error_message();
  std::vector<v1::PredictResponse> parts;
  EXPECT_EQ(Read(operation.name(), 0, &parts).error_code(), grpc::StatusCode::FAILED_PRECONDITION);

  const auto worker = launcher_.Await(3);
  const v1::SplitRange& range = worker->task.predict().split().range();
  EXPECT_EQ(range.split(), "test");
  EXPECT_EQ(range.count(), static_cast<uint64_t>(kExamples));
  auto writer = PredictionsWriter::Create(worker->task.predict().output_path());
  ASSERT_TRUE(writer.ok()) << writer.status();
  v1::PredictResponse part;
  part.add_shape(kExamples);
  part.add_shape(1);
  for (int i = 0; i < kExamples; ++i) part.add_outputs(static_cast<float>(i));
  ASSERT_TRUE(writer->Append(part).ok());
  WorkerExit exit;
  exit.kind = WorkerExit::Kind::kFinished;
  exit.result.mutable_predict_split()->set_examples(kExamples);
  exit.result.mutable_predict_split()->set_size_bytes(*writer->Finish());
  worker->End(exit);
  ASSERT_TRUE(Wait(operation.name(), &operation, 60).ok());
  v1::PredictSplitResponse predicted;
  ASSERT_TRUE(operation.response().UnpackTo(&predicted)) << operation.ShortDebugString();
  EXPECT_EQ(predicted.operation(), operation.name());

  ASSERT_TRUE(Read(operation.name(), 17, &parts).ok());
  ASSERT_EQ(parts.size(), 1u);
  EXPECT_THAT(parts[0].outputs(), ElementsAre(17, 18, 19));
  EXPECT_TRUE(Read(operation.name(), kExamples, &parts).ok());
  EXPECT_EQ(Read(operation.name(), kExamples + 1, &parts).error_code(), grpc::StatusCode::OUT_OF_RANGE);
  EXPECT_EQ(Read(import, 0, &parts).error_code(), grpc::StatusCode::FAILED_PRECONDITION) << "no PredictSplit";
}

}  // namespace
}  // namespace traind::server
