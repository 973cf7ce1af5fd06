// Deaths of workers and of the server, and what time does to operations.
#include <gmock/gmock.h>

#include <fstream>
#include <string>

#include "tests/server/operations/operation_manager_fixture.h"

namespace traind::server {
namespace {

using ::testing::HasSubstr;

class OperationRecoveryTest : public OperationManagerTest {
 protected:
  // Puts an operation into the store as a killed server leaves it; its id.
  std::string Leave(OperationManager::NewOperation operation, v1::OperationState state) {
    Stop();
    internal::OperationRecord record;
    record.set_name("operations/left");
    record.mutable_metadata()->set_state(state);
    record.mutable_metadata()->set_target(operation.target);
    record.mutable_metadata()->set_attempts(1);
    *record.mutable_task() = std::move(operation.task);
    for (const std::string& name : operation.uses) record.add_uses(name);
    EXPECT_TRUE(store_->CreateOperation(record).ok());
    return "left";
  }
};

TEST_F(OperationRecoveryTest, ADeadWorkerIsReplacedAFewTimes) {
  const std::string id = Create(Description("digits"));
  for (size_t n = 1; n <= 3; ++n) Crash(n);
  launcher_.Await(4);
  EXPECT_EQ(MetadataOf(Get(id)).attempts(), 4u);
  Crash(4);
  const v1::Operation operation = AwaitDone(id);
  EXPECT_EQ(operation.error().code(), static_cast<int>(absl::StatusCode::kInternal));
  EXPECT_EQ(operation.error().message(),
            "worker 4 of at most 4 was killed by signal 11 (SIGSEGV); its last words: the last words");
  EXPECT_EQ(launcher_.started(), 4u);
}

TEST_F(OperationRecoveryTest, AWorkerThatCannotBeStartedIsADeadOne) {
  launcher_.Fail(absl::NotFoundError("no such program"));
  const v1::Operation operation = AwaitDone(Create(Description("digits")));
  EXPECT_THAT(operation.error().message(), HasSubstr("worker 4 of at most 4: could not be started: no such program"));
}

// The limit of open files, say: it passes.
TEST_F(OperationRecoveryTest, AMachineThatIsShortCountsNothing) {
  launcher_.Fail(absl::ResourceExhaustedError("pipe: Too many open files"));
  const std::string id = Create(Description("digits"));
  while (MetadataOf(Get(id)).attempts() < 8) absl::SleepFor(absl::Milliseconds(1));
  launcher_.Fail(absl::OkStatus());
  launcher_.Await(1)->End(WorkerExit::Kind::kFinished);
  EXPECT_FALSE(AwaitDone(id).has_error());
}

TEST_F(OperationRecoveryTest, WhatADeadWorkerHasMadeIsRemoved) {
  const std::string id = Create(Import("digits", "uid-1"));
  MakeDataset(launcher_.Await(1)->task);
  Crash(1);
  launcher_.Await(2);
  EXPECT_FALSE(std::filesystem::exists(launcher_.Await(1)->task.dataset_dir()));
  EXPECT_NE(launcher_.Await(1)->task.dataset_dir(), launcher_.Await(2)->task.dataset_dir());
}

TEST_F(OperationRecoveryTest, AStoppedServerBeginsAnewAndCountsNoCrash) {
  const std::string id = Create(Description("digits"));
  launcher_.Await(1);
  absl::Status waiting;
  manager_->Wait(id, absl::InfiniteFuture(), [&](const auto& answer) { waiting = answer.status(); });
  Stop();
  EXPECT_TRUE(absl::IsUnavailable(waiting)) << waiting;
  EXPECT_EQ(store_->GetOperation(id)->record.metadata().state(), v1::OPERATION_STATE_QUEUED);
  EXPECT_EQ(store_->GetOperation(id)->record.crashes(), 0u);
  Start();
  launcher_.Await(2);
  EXPECT_EQ(MetadataOf(Get(id)).attempts(), 2u);
  Finish(2);
  EXPECT_FALSE(AwaitDone(id).has_error());
}

TEST_F(OperationRecoveryTest, AKilledServerBeginsAnew) {
  const std::string id = Leave(Description("digits"), v1::OPERATION_STATE_RUNNING);
  Start();
  EXPECT_EQ(launcher_.Await(1)->task.describe().name(), "datasets/digits");
  EXPECT_EQ(MetadataOf(Get(id)).attempts(), 2u);
  EXPECT_EQ(manager_->UserOf("datasets/digits"), "operations/left");
}

TEST_F(OperationRecoveryTest, ACancelStandsWhenTheServerIsKilled) {
  const std::string id = Leave(Description("digits"), v1::OPERATION_STATE_CANCELLING);
  Start();
  EXPECT_EQ(Get(id).error().code(), 1);
  EXPECT_EQ(launcher_.started(), 0u);
}

TEST_F(OperationRecoveryTest, AnImportThatWasPublishedIsDone) {
  const std::string id = Leave(Import("digits", "uid-1"), v1::OPERATION_STATE_RUNNING);
  std::filesystem::create_directories(path_ / "datasets/digits");
  WriteDataset(path_ / "datasets/digits", "uid-1");
  Start();
  const v1::Operation operation = Get(id);
  v1::Dataset dataset;
  ASSERT_TRUE(operation.response().UnpackTo(&dataset)) << operation.ShortDebugString();
  EXPECT_EQ(dataset.name(), "datasets/digits");
  EXPECT_EQ(dataset.uid(), "uid-1");
  EXPECT_EQ(launcher_.started(), 0u);
}

TEST_F(OperationRecoveryTest, AnotherDatasetOfTheNameIsNotTheImports) {
  const std::string id = Leave(Import("digits", "uid-1"), v1::OPERATION_STATE_RUNNING);
  std::filesystem::create_directories(path_ / "datasets/digits");
  WriteDataset(path_ / "datasets/digits", "uid-0");
  Start();
  MakeDataset(launcher_.Await(1)->task);
  Finish(1);
  EXPECT_EQ(AwaitDone(id).error().code(), static_cast<int>(absl::StatusCode::kAlreadyExists));
}

TEST_F(OperationRecoveryTest, AnEndThatCannotBeStoredIsStoredLater) {
  const std::string id = Create(Import("digits", "uid-1"));
  MakeDataset(launcher_.Await(1)->task);
  store_->Fail(absl::ResourceExhaustedError("the disk is full"));
  Finish(1);
  while (!folder_->Exists("datasets", "digits")) absl::SleepFor(absl::Milliseconds(1));
  EXPECT_EQ(StateOf(id), v1::OPERATION_STATE_RUNNING);
  EXPECT_FALSE(manager_->Cancel(id).ok()) << "what is not stored has not happened";
  store_->Fail(absl::OkStatus());
  const v1::Operation operation = AwaitDone(id);
  EXPECT_TRUE(operation.has_response()) << operation.ShortDebugString();
}

TEST_F(OperationRecoveryTest, OldOperationsAreForgotten) {
  const std::string id = Create(Description("digits"));
  Finish(1);
  AwaitDone(id);
  std::filesystem::create_directories(folder_->Item("operations", id));
  std::filesystem::create_directories(folder_->Item("operations", "stray"));
  Pass(absl::Hours(24 * 7 - 1));
  Stop();
  Start();
  EXPECT_TRUE(Get(id).done());
  EXPECT_TRUE(folder_->Exists("operations", id));
  EXPECT_FALSE(folder_->Exists("operations", "stray")) << "it belongs to none";
  Pass(absl::Hours(2));
  Stop();
  Start();
  EXPECT_TRUE(absl::IsNotFound(manager_->Get(id).status()));
  EXPECT_FALSE(folder_->Exists("operations", id));
}

}  // namespace
}  // namespace traind::server
