// What SQLite adds to the contract (job_store_test.cc): the file, and the disk below it.
#include "server/store/sqlite_job_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <memory>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "server/store/sqlite.h"
#include "tests/server/store/stored.h"
#include "tests/support/temporary_folder.h"

namespace traind::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class SqliteJobStoreTest : public ::testing::Test {
 protected:
  SqliteJobStoreTest() { Reopen(); }
  void Reopen(int64_t max_bytes = 0) {
    store_.reset();
    auto store = SqliteJobStore::Open({.path = path_, .max_bytes = max_bytes, .metrics = &metrics_});
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }

  TemporaryFolder folder_;
  const std::string path_ = folder_.path() + "/traind.db";
  Metrics metrics_;
  std::unique_ptr<SqliteJobStore> store_;
};

// Of the times in the histogram.
uint64_t CountOf(const Histogram& histogram) {
  const std::vector<uint64_t> counts = histogram.Read().counts;
  return std::accumulate(counts.begin(), counts.end(), uint64_t{0});
}

TEST_F(SqliteJobStoreTest, CountsWhatItCommits) {
  const JobKey key = Create(*store_, MakeJob("a"));
  v1::Job job = MakeJob("a");
  job.set_last_sequence(1);
  ASSERT_TRUE(store_->AppendEvents(key, job, {Train(1, 10)}).ok());
  EXPECT_EQ(metrics_.store_changes.value(), 2);
  EXPECT_EQ(metrics_.store_failures.value(), 0);
  EXPECT_EQ(CountOf(metrics_.store_commit_seconds), 2u);
  EXPECT_EQ(CountOf(metrics_.store_transaction_seconds), 2u);
  EXPECT_GE(metrics_.store_transaction_seconds.Read().sum, metrics_.store_commit_seconds.Read().sum);
}

TEST_F(SqliteJobStoreTest, KeepsJobsAndEventsOverAReopen) {
  v1::Job job = MakeJob("a");
  job.set_last_sequence(1);
  const JobKey key = Create(*store_, job, {Train(1, 10)});
  ASSERT_TRUE(store_->PutRequest(MakeRequest("request-1", "jobs/a")).ok());
  job.set_last_sequence(2);
  job.mutable_progress()->set_step(20);
  ASSERT_TRUE(store_->AppendEvents(key, job, {Train(2, 20)}).ok());
  Reopen();
  auto stored = store_->GetJob("a");
  ASSERT_TRUE(stored.ok()) << stored.status();
  EXPECT_EQ(stored->key, key);
  EXPECT_EQ(stored->job.SerializeAsString(), job.SerializeAsString());
  EXPECT_THAT(SequencesOf(*store_, key, {}), ElementsAre(1, 2));
  auto request = store_->FindRequest("request-1", absl::Now());
  ASSERT_TRUE(request.ok());
  ASSERT_TRUE(request->has_value());
  EXPECT_EQ((*request)->resource, "jobs/a");
}

TEST_F(SqliteJobStoreTest, SurvivesAFullDisk) {
  const JobKey key = Create(*store_, MakeJob("a"));
  Reopen(/*max_bytes=*/256 << 10);
  v1::Job job;
  absl::Status status;
  int64_t stored = 0;
  for (int64_t n = 1; n <= 100 && status.ok(); ++n) {
    job.set_last_sequence(n);
    status = store_->AppendEvents(key, job, {Log(n, std::string(16 << 10, 'x'))});
    if (status.ok()) stored = n;
  }
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("disk"));
  EXPECT_EQ(metrics_.store_failures.value(), 1);
  ASSERT_GT(stored, 0);
  // Nothing is half there, reading goes on, and so does writing once there is room.
  EXPECT_EQ(store_->GetJob("a")->job.last_sequence(), stored);
  EXPECT_EQ(SequencesOf(*store_, key, {.max_bytes = 1 << 30}).size(), static_cast<size_t>(stored));
  Reopen();
  job.set_last_sequence(stored + 1);
  EXPECT_TRUE(store_->AppendEvents(key, job, {Log(stored + 1, "again")}).ok());
}

TEST(SqliteJobStoreOpen, RefusesWhatIsNoDatabase) {
  TemporaryFolder folder;
  const std::string path = folder.path() + "/traind.db";
  std::ofstream(path) << std::string(10000, 'x');
  const absl::Status status = SqliteJobStore::Open({.path = path}).status();
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(path));
}

TEST(SqliteJobStoreOpen, NeedsAFolder) {
  TemporaryFolder folder;
  EXPECT_TRUE(absl::IsUnavailable(SqliteJobStore::Open({.path = folder.path() + "/none/traind.db"}).status()));
}

// Events go in pieces after the call, and the file gets shorter; what a killed server left over goes at the next start.
TEST_F(SqliteJobStoreTest, TheEventsOfADeletedJobGiveTheirRoomBack) {
  const JobKey kept = Create(*store_, MakeJob("kept"));
  const JobKey deleted = Create(*store_, MakeJob("deleted"));
  constexpr int64_t kEvents = 3000;
  std::vector<v1::Event> events;
  for (int64_t n = 1; n <= kEvents; ++n) events.push_back(Log(n, std::string(4 << 10, 'x')));
  v1::Job job = MakeJob("deleted");
  job.set_last_sequence(kEvents);
  ASSERT_TRUE(store_->AppendEvents(deleted, job, events).ok());
  ASSERT_TRUE(store_->AppendEvents(kept, MakeJob("kept"), {Log(1, std::string(4 << 10, 'y'))}).ok());
  Reopen();
  const auto before = std::filesystem::file_size(path_);
  EXPECT_GT(before, uint64_t{kEvents} << 12);
  ASSERT_TRUE(store_->DeleteJob(deleted).ok());
  EXPECT_THAT(SequencesOf(*store_, deleted, {}), IsEmpty()) << "at once, for those who read";
  // Changes come in between.
  ASSERT_TRUE(store_->AppendEvents(kept, MakeJob("kept"), {Log(2, "z")}).ok());
  Reopen();
  while (std::filesystem::file_size(path_) > before / 10) absl::SleepFor(absl::Milliseconds(5));
  EXPECT_THAT(SequencesOf(*store_, kept, {}), ElementsAre(1, 2));
}

// A change that comes meanwhile waits for one piece.
TEST_F(SqliteJobStoreTest, TheEventsOfADeletedJobGoInPieces) {
  const JobKey deleted = Create(*store_, MakeJob("deleted"));
  constexpr int64_t kEvents = 20'000;
  constexpr uint64_t kMostAtOnce = 4096;
  std::vector<v1::Event> events;
  for (int64_t n = 1; n <= kEvents; ++n) events.push_back(Log(n, "x"));
  v1::Job job = MakeJob("deleted");
  job.set_last_sequence(kEvents);
  ASSERT_TRUE(store_->AppendEvents(deleted, job, events).ok());
  const uint64_t before = CountOf(metrics_.store_transaction_seconds) + 1;  // With the deletion itself.
  ASSERT_TRUE(store_->DeleteJob(deleted).ok());
  auto reader = OpenConnection(path_, SQLITE_OPEN_READONLY);
  ASSERT_TRUE(reader.ok()) << reader.status();
  while (Number(reader->get(), "SELECT COUNT(*) FROM events").value_or(1) > 0) absl::SleepFor(absl::Milliseconds(5));
  while (Number(reader->get(), "SELECT COUNT(*) FROM doomed").value_or(1) > 0) absl::SleepFor(absl::Milliseconds(5));
  EXPECT_GT(CountOf(metrics_.store_transaction_seconds) - before, kEvents / kMostAtOnce);
}

// While somebody reads all the time.
TEST_F(SqliteJobStoreTest, TheLogStaysShort) {
  const JobKey key = Create(*store_, MakeJob("a"));
  std::atomic<bool> done = false;
  std::thread reader([&] {
    while (!done) EXPECT_TRUE(store_->ReadEvents(key, {.max_bytes = 1 << 20}).ok());
  });
  uint64_t longest = 0;
  for (int64_t n = 1; n <= 100; ++n) {
    ASSERT_TRUE(store_->AppendEvents(key, MakeJob("a"), {Log(n, std::string(1 << 20, 'x'))}).ok());
    longest = std::max(longest, std::filesystem::file_size(path_ + "-wal"));
  }
  done = true;
  reader.join();
  EXPECT_LT(longest, uint64_t{48} << 20);
}

}  // namespace
}  // namespace traind::server
