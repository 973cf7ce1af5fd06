#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <thread>

#include "server/resources/names.h"
#include "server/store/sqlite_job_store.h"
#include "tests/support/temporary_folder.h"

namespace traind::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

v1::Job MakeJob(const std::string& id, const std::string& request_id = "") {
  v1::Job job;
  job.set_name("jobs/" + id);
  job.set_state(v1::QUEUED);
  job.set_request_id(request_id);
  job.mutable_spec()->set_display_name("the job " + id);
  return job;
}

v1::Event Train(int64_t sequence, uint64_t step, double loss = 0.5) {
  v1::Event event;
  event.set_sequence(sequence);
  event.set_step(step);
  event.mutable_train()->set_loss(loss);
  return event;
}

v1::Event Log(int64_t sequence, const std::string& text) {
  v1::Event event;
  event.set_sequence(sequence);
  event.mutable_log()->set_text(text);
  return event;
}

class StoreTest : public ::testing::Test {
 protected:
  StoreTest() { Reopen(); }
  void Reopen(int64_t max_bytes = 0) {
    store_.reset();
    auto store = Store::Open({.path = path_, .max_bytes = max_bytes});
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }
  JobKey Create(const v1::Job& job, const std::vector<v1::Event>& events = {}) {
    auto key = store_->CreateJob(job, events);
    EXPECT_TRUE(key.ok()) << key.status();
    return key.value_or(0);
  }
  std::vector<int64_t> Sequences(JobKey key, const Store::ReadOptions& options) {
    auto batch = store_->ReadEvents(key, options);
    EXPECT_TRUE(batch.ok()) << batch.status();
    std::vector<int64_t> sequences;
    for (const auto& event : batch->events) sequences.push_back(event->sequence());
    return sequences;
  }

  TemporaryFolder folder_;
  const std::string path_ = folder_.path() + "/traind.db";
  std::unique_ptr<Store> store_;
};

TEST_F(StoreTest, KeepsJobsAndEventsOverAReopen) {
  v1::Job job = MakeJob("a", "request-1");
  job.set_last_sequence(1);
  const JobKey key = Create(job, {Train(1, 10)});
  job.set_last_sequence(2);
  job.mutable_progress()->set_step(20);
  ASSERT_TRUE(store_->AppendEvents(key, job, {Train(2, 20)}).ok());
  Reopen();
  auto stored = store_->GetJob("a");
  ASSERT_TRUE(stored.ok()) << stored.status();
  EXPECT_EQ(stored->key, key);
  EXPECT_EQ(stored->job.SerializeAsString(), job.SerializeAsString());
  EXPECT_THAT(Sequences(key, {}), ElementsAre(1, 2));
  auto request = store_->FindRequest("request-1");
  ASSERT_TRUE(request.ok());
  EXPECT_EQ(*request, "a");
}

TEST_F(StoreTest, AppendLeavesTheRecordAloneAndUpdateReplacesIt) {
  v1::Job job = MakeJob("a");
  const JobKey key = Create(job);
  job.set_state(v1::RUNNING);
  job.set_last_sequence(1);
  ASSERT_TRUE(store_->AppendEvents(key, job, {Train(1, 1)}).ok());
  EXPECT_EQ(store_->GetJob("a")->job.state(), v1::QUEUED);
  EXPECT_EQ(store_->GetJob("a")->job.last_sequence(), 1);
  ASSERT_TRUE(store_->UpdateJob(key, job, {}).ok());
  EXPECT_EQ(store_->GetJob("a")->job.state(), v1::RUNNING);
}

TEST_F(StoreTest, RefusesATakenIdOrRequestAndLeavesNoTrace) {
  const JobKey first = Create(MakeJob("a", "r"));
  EXPECT_TRUE(absl::IsAlreadyExists(store_->CreateJob(MakeJob("a"), {}).status()));
  EXPECT_TRUE(absl::IsAlreadyExists(store_->CreateJob(MakeJob("b", "r"), {Train(1, 1)}).status()));
  EXPECT_TRUE(absl::IsNotFound(store_->GetJob("b").status()));
  // An event number that is taken takes the update of the job along.
  v1::Job job = MakeJob("a", "r");
  job.set_state(v1::RUNNING);
  EXPECT_TRUE(absl::IsAlreadyExists(store_->UpdateJob(first, job, {Train(1, 1), Train(1, 2)})));
  EXPECT_EQ(store_->GetJob("a")->job.state(), v1::QUEUED);
  EXPECT_THAT(Sequences(first, {}), IsEmpty());
}

TEST_F(StoreTest, DeletesEverythingOfAJobAndNeverGivesAKeyTwice) {
  const JobKey a = Create(MakeJob("a", "r"), {Train(1, 1)});
  ASSERT_TRUE(store_->DeleteJob(a).ok());
  EXPECT_TRUE(absl::IsNotFound(store_->GetJob("a").status()));
  EXPECT_THAT(Sequences(a, {}), IsEmpty());
  EXPECT_EQ(*store_->FindRequest("r"), std::nullopt);
  EXPECT_GT(Create(MakeJob("a", "r")), a);
}

TEST_F(StoreTest, ListsNewestFirstInPagesAndByState) {
  std::vector<JobKey> keys;
  for (const char* id : {"a", "b", "c", "d"}) {
    v1::Job job = MakeJob(id);
    job.set_state(*id == 'b' ? v1::FAILED : v1::QUEUED);
    keys.push_back(Create(job));
  }
  const auto names = [&](JobKey before, const std::vector<v1::JobState>& states, size_t limit) {
    std::vector<std::string> result;
    const auto add = [&](const StoredJob& stored) {
      result.push_back(stored.job.name());
      return result.size() < limit;
    };
    EXPECT_TRUE(store_->ListJobs(before, states, add).ok());
    return result;
  };
  EXPECT_THAT(names(0, {}, 10), ElementsAre("jobs/d", "jobs/c", "jobs/b", "jobs/a"));
  EXPECT_THAT(names(0, {}, 2), ElementsAre("jobs/d", "jobs/c"));
  EXPECT_THAT(names(keys[2], {}, 2), ElementsAre("jobs/b", "jobs/a"));
  EXPECT_THAT(names(0, {v1::FAILED, v1::CANCELLED}, 10), ElementsAre("jobs/b"));
}

TEST_F(StoreTest, ReadsEventsInBoundedBatches) {
  const JobKey key = Create(MakeJob("a"), {Train(1, 1), Log(2, std::string(1000, 'x')), Log(3, "short"), Train(4, 2)});
  EXPECT_THAT(Sequences(key, {.after_sequence = 2}), ElementsAre(3, 4));
  EXPECT_THAT(Sequences(key, {.max_bytes = 100}), ElementsAre(1));
  EXPECT_THAT(Sequences(key, {.after_sequence = 1, .max_bytes = 100}), ElementsAre(2)) << "one comes, however large";
  EXPECT_THAT(Sequences(key, {.kinds = 1u << v1::TRAIN}), ElementsAre(1, 4));
  auto batch = store_->ReadEvents(key, {.after_sequence = 1, .max_events = 2, .kinds = 1u << v1::TRAIN});
  ASSERT_TRUE(batch.ok());
  EXPECT_THAT(batch->events, IsEmpty());
  EXPECT_EQ(batch->last_scanned, 3) << "what was left out is not read again";
}

TEST_F(StoreTest, FindsEventsByKindAndStep) {
  const JobKey key = Create(MakeJob("a"), {Train(1, 10, 0.25), Train(2, 20), Log(3, "x")});
  auto found = store_->FindEvent(key, v1::TRAIN, 10);
  ASSERT_TRUE(found.ok());
  ASSERT_TRUE(found->has_value());
  EXPECT_EQ((*found)->train().loss(), 0.25);
  EXPECT_EQ(*store_->FindEvent(key, v1::STATISTICS, 10), std::nullopt);
  auto steps = store_->LastSteps(key);
  ASSERT_TRUE(steps.ok());
  EXPECT_EQ((*steps)[v1::TRAIN], 20u);
  EXPECT_EQ((*steps)[v1::STATISTICS], std::nullopt);
}

TEST_F(StoreTest, CommitsFromManyThreadsInOrderOfEachThread) {
  constexpr int kThreads = 8;
  constexpr int kEvents = 50;
  std::vector<JobKey> keys;
  for (int i = 0; i < kThreads; ++i) keys.push_back(Create(MakeJob("job-" + std::to_string(i))));
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      for (int n = 1; n <= kEvents; ++n) {
        v1::Job job;
        job.set_last_sequence(n);
        EXPECT_TRUE(store_->AppendEvents(keys[i], job, {Train(n, n)}).ok());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (JobKey key : keys) EXPECT_EQ(Sequences(key, {}).size(), size_t{kEvents});
}

TEST_F(StoreTest, SurvivesAFullDisk) {
  const JobKey key = Create(MakeJob("a"));
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
  ASSERT_GT(stored, 0);
  // Nothing is half there, reading goes on, and so does writing once there is room.
  EXPECT_EQ(store_->GetJob("a")->job.last_sequence(), stored);
  EXPECT_EQ(Sequences(key, {.max_bytes = 1 << 30}).size(), static_cast<size_t>(stored));
  Reopen();
  job.set_last_sequence(stored + 1);
  EXPECT_TRUE(store_->AppendEvents(key, job, {Log(stored + 1, "again")}).ok());
}

TEST(StoreOpen, RefusesWhatIsNoDatabase) {
  TemporaryFolder folder;
  const std::string path = folder.path() + "/traind.db";
  std::ofstream(path) << std::string(10000, 'x');
  const absl::Status status = Store::Open({.path = path}).status();
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(path));
}

TEST(StoreOpen, RefusesANewerSchema) {
  TemporaryFolder folder;
  const std::string path = folder.path() + "/traind.db";
  ASSERT_TRUE(Store::Open({.path = path}).ok());
  {
    auto connection = OpenConnection(path, SQLITE_OPEN_READWRITE);
    ASSERT_TRUE(connection.ok());
    ASSERT_TRUE(Execute(connection->get(), "PRAGMA user_version=99").ok());
  }
  const absl::Status status = Store::Open({.path = path}).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("newer"));
}

TEST(StoreOpen, NeedsAFolder) {
  TemporaryFolder folder;
  EXPECT_TRUE(absl::IsUnavailable(Store::Open({.path = folder.path() + "/none/traind.db"}).status()));
}

}  // namespace
}  // namespace traind::server
