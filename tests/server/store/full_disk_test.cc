// A disk without room, really: what must work then, and what waits.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "server/store/disk_reserve.h"
#include "server/store/sqlite_job_store.h"
#include "tests/support/small_disk.h"
#include "tests/support/temporary_folder.h"

namespace traind::server {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

int64_t Allocated(const std::string& file) {
  struct stat info {};
  return stat(file.c_str(), &info) == 0 ? info.st_blocks * 512 : -1;
}

v1::Job JobOf(const std::string& id, size_t bytes = 10) {
  v1::Job job;
  job.set_name("jobs/" + id);
  job.set_state(v1::JOB_STATE_QUEUED);
  job.mutable_spec()->set_display_name(std::string(bytes, 'x'));
  return job;
}

v1::Event Log(int64_t sequence) {
  v1::Event event;
  event.set_sequence(sequence);
  event.mutable_log()->set_text(std::string(1000, 'x'));
  return event;
}

TEST(DiskReserve, IsAllocatedGivenBackInPiecesAndTakenAgain) {
  const TemporaryFolder folder;
  const std::string file = folder.path() + "/reserve";
  const int64_t size = int64_t{1} << 20;
  {
    auto reserve = DiskReserve::Open(folder.path(), size);
    EXPECT_EQ(Allocated(file), size);
    EXPECT_TRUE(reserve->CheckRoom().ok());
    EXPECT_TRUE(reserve->Release());
    EXPECT_EQ(Allocated(file), size - size / 16);
    const DiskReserve::Room room = reserve->room();
    EXPECT_EQ(room.reserve_bytes, size);
    EXPECT_EQ(room.held_bytes, size - size / 16);
    EXPECT_GT(room.total_bytes, room.free_bytes);
    EXPECT_GT(room.free_bytes, 0);
    int pieces = 1;
    while (reserve->Release()) ++pieces;
    EXPECT_EQ(pieces, 16);
    EXPECT_EQ(Allocated(file), 0);
    EXPECT_TRUE(reserve->Restore());
    EXPECT_EQ(Allocated(file), size);
  }
  EXPECT_EQ(Allocated(file), size) << "it outlives the server";
}

class FullDisk : public ::testing::Test {
 protected:
  void Open() {
    store_.reset();
    reserve_ = DiskReserve::Open(data_, int64_t{1} << 20);
    auto store = SqliteJobStore::Open({.path = data_ + "/traind.db", .reserve = reserve_.get()});
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }

  const TemporaryFolder folder_;
  const std::string data_ = folder_.path() + "/data";
  const SmallDisk disk_{data_, int64_t{4} << 20};
  std::unique_ptr<DiskReserve> reserve_;
  std::unique_ptr<SqliteJobStore> store_;
};

TEST_F(FullDisk, WhatEndsAndRemovesHasRoomAndWhatBeginsWaits) {
  if (!disk_.mounted()) return disk_.RunElsewhere();
  Open();
  const auto kept = store_->CreateJob(JobOf("kept"), {Log(1)});
  const auto deleted = store_->CreateJob(JobOf("deleted"), {Log(1)});
  ASSERT_TRUE(kept.ok() && deleted.ok());
  disk_.Fill();

  v1::Job job = JobOf("kept", 100'000);  // Larger than any room left over in the file.
  job.set_state(v1::JOB_STATE_CANCELLED);
  EXPECT_TRUE(store_->UpdateJob(*kept, job, {Log(2)}).ok());
  EXPECT_EQ(store_->GetJob("kept")->job.state(), v1::JOB_STATE_CANCELLED);
  disk_.Fill();  // Whoever takes what was given back.

  const absl::Status created = store_->CreateJob(JobOf("new", 100'000), {}).status();
  EXPECT_TRUE(absl::IsResourceExhausted(created)) << created;
  EXPECT_THAT(std::string(created.message()),
              AllOf(HasSubstr(data_), HasSubstr("bytes are free"), HasSubstr("delete jobs")));
  EXPECT_TRUE(absl::IsResourceExhausted(store_->AppendEvents(*kept, job, {Log(3)})));
  EXPECT_TRUE(absl::IsResourceExhausted(reserve_->CheckRoom()));
  EXPECT_TRUE(store_->DeleteJob(*deleted).ok());

  // A start, which makes a new log.
  store_.reset();
  disk_.Fill();
  Open();
  EXPECT_TRUE(absl::IsNotFound(store_->GetJob("deleted").status()));
  EXPECT_EQ(store_->ReadEvents(*kept, {})->events.size(), 2u);
  EXPECT_TRUE(store_->UpdateJob(*kept, job, {Log(3)}).ok());

  disk_.MakeRoom();
  EXPECT_TRUE(reserve_->CheckRoom().ok());
  EXPECT_TRUE(store_->AppendEvents(*kept, job, {Log(4)}).ok());
  EXPECT_TRUE(store_->CreateJob(JobOf("new", 100'000), {}).ok());
}

}  // namespace
}  // namespace traind::server
