// Rules of retention in a server that serves: the first look is at its start.
#include "server/retention/retention.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "tests/server/services/services_fixture.h"
#include "tests/support/bytes.h"
#include "traind/v1/server_service.grpc.pb.h"

namespace traind::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class RetentionTest : public ServicesTest {
 protected:
  void StartWith(std::vector<std::string> rules, bool plan_only = false) {
    retain_ = std::move(rules);
    retain_plan_ = plan_only;
    audit_log_ = folder_.path() + "/audit.log";
    Start();
    stub_ = v1::ServerService::NewStub(server_->InProcessChannel());
  }
  v1::Storage Storage(bool plan = false) {
    v1::GetStorageRequest request;
    request.set_plan(plan);
    v1::Storage storage;
    grpc::ClientContext context;
    const grpc::Status status = stub_->GetStorage(&context, request, &storage);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return storage;
  }
  int64_t Number(v1::StorageKind kind) {
    const v1::Storage storage = Storage();
    for (const auto& use : storage.uses()) {
      if (use.kind() == kind) return use.count();
    }
    return 0;
  }
  grpc::StatusCode GetJob(const std::string& name) {
    v1::GetJobRequest request;
    request.set_name(name);
    v1::Job job;
    grpc::ClientContext context;
    return training_->GetJob(&context, request, &job).error_code();
  }
  void PinJob(const std::string& name) {
    v1::UpdateJobRequest request;
    request.mutable_job()->set_name(name);
    request.mutable_job()->set_pinned(true);
    request.mutable_update_mask()->add_paths("pinned");
    v1::Job job;
    grpc::ClientContext context;
    ASSERT_TRUE(training_->UpdateJob(&context, request, &job).ok());
    EXPECT_TRUE(job.pinned());
  }
  static void AwaitTrue(const std::function<bool()>& condition) {
    const absl::Time deadline = absl::Now() + absl::Seconds(60);
    while (!condition() && absl::Now() < deadline) absl::SleepFor(absl::Milliseconds(5));
    EXPECT_TRUE(condition());
  }
  std::string Audit() const { return ReadBytes(folder_.path() + "/audit.log"); }

  std::unique_ptr<v1::ServerService::Stub> stub_;
};

TEST_F(RetentionTest, AJobGoesWithAllThatItHas) {
  TrainedJob({4, 8, 12});
  StartWith({"succeeded=0"});
  AwaitTrue([&] { return GetJob("jobs/a") == grpc::StatusCode::NOT_FOUND; });
  AwaitTrue([&] { return Audit().find("\"user\":\"retention\"") != std::string::npos; });
  EXPECT_THAT(Audit(), HasSubstr("\"resource\":\"jobs/a\",\"code\":\"OK\""));
  EXPECT_FALSE(std::filesystem::exists(folder_.path() + "/data/jobs/a"));
}

TEST_F(RetentionTest, WhatIsPinnedStays) {
  TrainedJob({4});
  v1::Job job;
  ASSERT_TRUE(Create(JobRequest("b"), &job).ok());
  Finish(2, 3);
  v1::WatchJobRequest watch;
  watch.set_name("jobs/b");
  std::vector<v1::Event> events;
  ASSERT_TRUE(Watch(watch, &events).ok());
  PinJob("jobs/a");
  StartWith({"jobs=0"});
  AwaitTrue([&] { return GetJob("jobs/b") == grpc::StatusCode::NOT_FOUND; });
  EXPECT_EQ(GetJob("jobs/a"), grpc::StatusCode::OK);
}

TEST_F(RetentionTest, OfCheckpointsTheNewestStays) {
  TrainedJob({4, 8, 12});
  StartWith({"checkpoints=0"});
  AwaitTrue([&] { return Number(v1::STORAGE_KIND_CHECKPOINTS) == 1; });
  EXPECT_TRUE(std::filesystem::exists(folder_.path() + "/data/jobs/a/checkpoints/step-000000000012"));
  EXPECT_EQ(GetJob("jobs/a"), grpc::StatusCode::OK);
}

TEST_F(RetentionTest, APlanRemovesNothing) {
  TrainedJob({4, 8, 12});
  std::filesystem::create_directories(folder_.path() + "/data/trash/20200131T120000Z-jobs-lost");
  StartWith({"jobs=0"}, /*plan_only=*/true);
  const v1::Storage storage = Storage(/*plan=*/true);
  EXPECT_TRUE(storage.plan_only());
  EXPECT_THAT(storage.rules(), ElementsAre("jobs=0", "uploads=7d", "trash=7d"));
  ASSERT_EQ(storage.planned_size(), 2);
  EXPECT_EQ(storage.planned(0).name(), "jobs/a");
  EXPECT_GT(storage.planned(0).bytes(), 0);
  EXPECT_THAT(storage.planned(0).reason(), HasSubstr("(jobs=0)"));
  EXPECT_EQ(storage.planned(1).name(), "trash/20200131T120000Z-jobs-lost");
  EXPECT_EQ(storage.planned_count(), 2);
  EXPECT_EQ(GetJob("jobs/a"), grpc::StatusCode::OK);
  EXPECT_TRUE(std::filesystem::exists(folder_.path() + "/data/trash/20200131T120000Z-jobs-lost"));
}

TEST_F(RetentionTest, StorageCountsWhatThereIs) {
  TrainedJob({4, 8});
  StartWith({});
  const v1::Storage storage = Storage();
  EXPECT_FALSE(storage.incomplete());
  EXPECT_GT(storage.total_bytes(), storage.free_bytes());
  for (const auto& [kind, count] : {std::pair<v1::StorageKind, int64_t>{v1::STORAGE_KIND_JOBS, 1},
                                    {v1::STORAGE_KIND_CHECKPOINTS, 2},
                                    {v1::STORAGE_KIND_DATASETS, 1},
                                    {v1::STORAGE_KIND_DATABASE, 1}}) {
    EXPECT_EQ(Number(kind), count) << v1::StorageKind_Name(kind);
  }
  EXPECT_GE(Number(v1::STORAGE_KIND_EVENTS), 12);
}

}  // namespace
}  // namespace traind::server
