// An operation manager whose workers do what a test says, on a store in memory and a clock that the test moves.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>

#include "absl/synchronization/notification.h"
#include "server/operations/operation_manager.h"
#include "tests/server/fake_launcher.h"
#include "tests/support/memory_operation_store.h"
#include "tests/support/temporary_folder.h"
#include "traind/v1/dataset_service.pb.h"

namespace traind::server {

inline v1::OperationMetadata MetadataOf(const v1::Operation& operation) {
  v1::OperationMetadata metadata;
  EXPECT_TRUE(operation.metadata().UnpackTo(&metadata)) << operation.ShortDebugString();
  return metadata;
}

class OperationManagerTest : public ::testing::Test {
 protected:
  OperationManagerTest() {
    launcher_.HoldDataTasks();
    options_.now = [this] { return Now(); };
    options_.retry_interval = absl::Milliseconds(1);
    options_.first_wait = absl::Milliseconds(1);
    options_.longest_wait = absl::Milliseconds(2);
    Start();
  }
  ~OperationManagerTest() override { Stop(); }

  absl::Time Now() const { return absl::FromUnixSeconds(seconds_); }
  void Pass(absl::Duration time) { seconds_ += absl::ToInt64Seconds(time); }

  void Start() {
    folder_ = *DataFolder::Open(path_.path());
    auto manager = OperationManager::Start(options_, store_.get(), folder_.get(), &launcher_, &budget_);
    ASSERT_TRUE(manager.ok()) << manager.status();
    manager_ = *std::move(manager);
  }
  void Stop() {
    manager_.reset();
    folder_.reset();
  }

  static OperationManager::NewOperation Description(const std::string& dataset) {
    OperationManager::NewOperation operation{.target = "datasets/" + dataset, .uses = {"datasets/" + dataset}};
    operation.task.mutable_describe()->set_name(operation.target);
    return operation;
  }
  static OperationManager::NewOperation Evaluation() {
    OperationManager::NewOperation operation{.target = "models/m", .uses = {"models/m"}};
    operation.task.mutable_evaluate();
    return operation;
  }
  static OperationManager::NewOperation Import(const std::string& dataset, const std::string& uid) {
    OperationManager::NewOperation operation{.target = "datasets/" + dataset, .uses = {"datasets/" + dataset}};
    operation.task.mutable_import()->mutable_request()->set_dataset_id(dataset);
    operation.task.mutable_import()->set_uid(uid);
    return operation;
  }

  absl::StatusOr<v1::Operation> Submit(const OperationManager::NewOperation& admitted,
                                       const std::string& request_id = "", const std::string& method = "Describe") {
    v1::DescribeDatasetRequest request;
    request.set_name(admitted.target);
    request.set_request_id(request_id);
    return manager_->Create(method, request, [&admitted] { return admitted; });
  }
  // The id of the new operation.
  std::string Create(const OperationManager::NewOperation& admitted) {
    auto operation = Submit(admitted);
    EXPECT_TRUE(operation.ok()) << operation.status();
    return operation.ok() ? std::string(IdOf(operation->name())) : "";
  }
  v1::Operation Get(const std::string& id) {
    auto operation = manager_->Get(id);
    EXPECT_TRUE(operation.ok()) << operation.status();
    return operation.value_or(v1::Operation());
  }
  v1::OperationState StateOf(const std::string& id) { return MetadataOf(Get(id)).state(); }
  // Waits until the operation is done.
  v1::Operation AwaitDone(const std::string& id) {
    absl::StatusOr<v1::Operation> answer;
    absl::Notification answered;
    manager_->Wait(id, absl::InfiniteFuture(), [&](absl::StatusOr<v1::Operation> operation) {
      answer = std::move(operation);
      answered.Notify();
    });
    answered.WaitForNotification();
    EXPECT_TRUE(answer.ok()) << answer.status();
    return answer.value_or(v1::Operation());
  }
  // Ends the n-th worker with a result.
  void Finish(size_t n, const internal::Result& result = {}) {
    WorkerExit exit;
    exit.kind = WorkerExit::Kind::kFinished;
    exit.result = result;
    launcher_.Await(n)->End(exit);
  }
  void Crash(size_t n) { launcher_.Await(n)->End(WorkerExit::Kind::kCrashed, "killed by signal 11 (SIGSEGV)"); }

  // What a worker makes of an import.
  static void MakeDataset(const internal::Task& task) {
    std::filesystem::create_directories(task.dataset_dir());
    WriteDataset(task.dataset_dir(), task.import().uid());
  }
  static void WriteDataset(const std::string& folder, const std::string& uid) {
    std::ofstream(folder + "/dataset.json")
        << R"({"splits":[{"name":"train","num_examples":1,"checksum":"crc32:0"}],"example_shape":[1],)"
        << R"("element_type":"ELEMENT_TYPE_UINT8","num_classes":1,"uid":")" << uid << "\"}";
  }

  Budget budget_{{.threads = 2, .memory_bytes = int64_t{1} << 30}};
  TemporaryFolder path_;
  FakeLauncher launcher_;
  std::atomic<int64_t> seconds_ = 1'700'000'000;  // Since 1970.
  OperationManager::Options options_;
  std::unique_ptr<DataFolder> folder_;
  std::unique_ptr<MemoryOperationStore> store_ = std::make_unique<MemoryOperationStore>();
  std::unique_ptr<OperationManager> manager_;
};

}  // namespace traind::server
