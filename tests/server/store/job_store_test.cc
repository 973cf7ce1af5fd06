// JobStore's contract, held by each of its implementations.
#include "server/store/job_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "server/store/sqlite_job_store.h"
#include "tests/server/store/stored.h"
#include "tests/support/memory_job_store.h"
#include "tests/support/temporary_folder.h"

namespace traind::server {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

struct Implementation {
  const char* name;
  std::unique_ptr<JobStore> (*open)(const std::string& folder);
};

void PrintTo(const Implementation& implementation, std::ostream* out) { *out << implementation.name; }

std::unique_ptr<JobStore> OpenSqlite(const std::string& folder) {
  auto store = SqliteJobStore::Open({.path = folder + "/traind.db"});
  EXPECT_TRUE(store.ok()) << store.status();
  return *std::move(store);
}
std::unique_ptr<JobStore> OpenMemory(const std::string&) { return std::make_unique<MemoryJobStore>(); }

class JobStoreTest : public ::testing::TestWithParam<Implementation> {
 protected:
  std::optional<StoredRequest> Find(const std::string& request_id, absl::Time now = absl::FromUnixSeconds(2'000'000)) {
    auto found = store_->FindRequest(request_id, now);
    EXPECT_TRUE(found.ok()) << found.status();
    return *found;
  }

  TemporaryFolder folder_;
  const std::unique_ptr<JobStore> store_ = GetParam().open(folder_.path());
};

INSTANTIATE_TEST_SUITE_P(All, JobStoreTest,
                         ::testing::Values(Implementation{"Sqlite", OpenSqlite}, Implementation{"Memory", OpenMemory}),
                         [](const auto& instance) { return instance.param.name; });

TEST_P(JobStoreTest, CountsJobsByState) {
  EXPECT_THAT(*store_->CountJobs(), IsEmpty());
  v1::Job job = MakeJob("a");
  const JobKey key = Create(*store_, job);
  Create(*store_, MakeJob("b"));
  job.set_state(v1::JOB_STATE_FAILED);
  ASSERT_TRUE(store_->UpdateJob(key, job, {}).ok());
  EXPECT_THAT(*store_->CountJobs(),
              ElementsAre(std::pair(v1::JOB_STATE_QUEUED, 1), std::pair(v1::JOB_STATE_FAILED, 1)));
  ASSERT_TRUE(store_->DeleteJob(key).ok());
  EXPECT_THAT(*store_->CountJobs(), ElementsAre(std::pair(v1::JOB_STATE_QUEUED, 1)));
}

TEST_P(JobStoreTest, GivesBackWhatWasStored) {
  v1::Job job = MakeJob("a");
  job.set_last_sequence(1);
  const JobKey key = Create(*store_, job, {Train(1, 10)});
  EXPECT_GT(key, 0);
  job.set_last_sequence(2);
  job.mutable_progress()->set_step(20);
  ASSERT_TRUE(store_->AppendEvents(key, job, {Train(2, 20)}).ok());
  auto stored = store_->GetJob("a");
  ASSERT_TRUE(stored.ok()) << stored.status();
  EXPECT_EQ(stored->key, key);
  EXPECT_EQ(stored->job.SerializeAsString(), job.SerializeAsString());
  EXPECT_THAT(SequencesOf(*store_, key, {}), ElementsAre(1, 2));
  EXPECT_TRUE(absl::IsNotFound(store_->GetJob("b").status()));
}

TEST_P(JobStoreTest, NamesTheJobsByArrival) {
  for (const char* id : {"b", "a", "c"}) Create(*store_, MakeJob(id));
  auto ids = store_->JobIds();
  ASSERT_TRUE(ids.ok()) << ids.status();
  EXPECT_THAT(*ids, ElementsAre("b", "a", "c"));
}

TEST_P(JobStoreTest, AppendLeavesTheRecordAloneAndUpdateReplacesIt) {
  v1::Job job = MakeJob("a");
  const JobKey key = Create(*store_, job);
  job.set_state(v1::JOB_STATE_RUNNING);
  job.set_last_sequence(1);
  ASSERT_TRUE(store_->AppendEvents(key, job, {Train(1, 1)}).ok());
  EXPECT_EQ(store_->GetJob("a")->job.state(), v1::JOB_STATE_QUEUED);
  EXPECT_EQ(store_->GetJob("a")->job.last_sequence(), 1);
  ASSERT_TRUE(store_->UpdateJob(key, job, {}).ok());
  EXPECT_EQ(store_->GetJob("a")->job.state(), v1::JOB_STATE_RUNNING);
}

TEST_P(JobStoreTest, RefusesATakenIdOrRequestAndLeavesNoTrace) {
  const StoredRequest request = MakeRequest("r", "jobs/a");
  const StoredRequest same_id = MakeRequest("r", "jobs/b");
  const JobKey first = Create(*store_, MakeJob("a"), {}, &request);
  EXPECT_TRUE(absl::IsAlreadyExists(store_->CreateJob(MakeJob("a"), {}).status()));
  EXPECT_TRUE(absl::IsAlreadyExists(store_->CreateJob(MakeJob("b"), {Train(1, 1)}, &same_id).status()));
  EXPECT_TRUE(absl::IsAlreadyExists(store_->PutRequest(same_id)));
  EXPECT_EQ(Find("r")->resource, "jobs/a");
  EXPECT_TRUE(absl::IsNotFound(store_->GetJob("b").status()));
  // An event number that is taken takes the update of the job along.
  v1::Job job = MakeJob("a");
  job.set_state(v1::JOB_STATE_RUNNING);
  EXPECT_TRUE(absl::IsAlreadyExists(store_->UpdateJob(first, job, {Train(1, 1), Train(1, 2)})));
  EXPECT_EQ(store_->GetJob("a")->job.state(), v1::JOB_STATE_QUEUED);
  EXPECT_THAT(SequencesOf(*store_, first, {}), IsEmpty());
}

TEST_P(JobStoreTest, DeletesEverythingOfAJobAndNeverGivesAKeyTwice) {
  const JobKey a = Create(*store_, MakeJob("a"), {Train(1, 1)});
  ASSERT_TRUE(store_->DeleteJob(a).ok());
  EXPECT_TRUE(absl::IsNotFound(store_->GetJob("a").status()));
  EXPECT_THAT(SequencesOf(*store_, a, {}), IsEmpty());
  EXPECT_GT(Create(*store_, MakeJob("a")), a);
}

TEST_P(JobStoreTest, RemembersARequestForADayAfterItsJobWasDeleted) {
  const StoredRequest request = MakeRequest("r", "jobs/a");
  const JobKey a = Create(*store_, MakeJob("a"), {}, &request);
  std::optional<StoredRequest> found = Find("r");
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->method, "CreateJob");
  EXPECT_EQ(found->resource, "jobs/a");
  EXPECT_EQ(found->uid, request.uid);
  EXPECT_EQ(found->fingerprint, request.fingerprint);
  EXPECT_EQ(found->create_time, request.create_time);
  EXPECT_EQ(found->delete_time, absl::InfiniteFuture());
  EXPECT_FALSE(Find("s").has_value());

  ASSERT_TRUE(store_->DeleteJob(a).ok());
  found = Find("r");
  ASSERT_TRUE(found.has_value());
  EXPECT_LE(found->delete_time, absl::Now());
  EXPECT_GT(found->delete_time, absl::Now() - absl::Minutes(5));
  // Another job of the name has nothing to do with it, and the request_id is still taken.
  const JobKey second = Create(*store_, MakeJob("a"));
  EXPECT_TRUE(absl::IsAlreadyExists(store_->PutRequest(request)));
  ASSERT_TRUE(store_->DeleteJob(second).ok());
  EXPECT_EQ(Find("r")->delete_time, found->delete_time);
  EXPECT_FALSE(Find("r", absl::Now() + kRequestLifetime + absl::Seconds(1)).has_value());
  // Whoever comes after a day may have it.
  StoredRequest later = MakeRequest("r", "models/m");
  later.create_time = absl::Now() + kRequestLifetime + absl::Seconds(1);
  EXPECT_TRUE(store_->PutRequest(later).ok());
  EXPECT_EQ(Find("r")->resource, "models/m");
}

TEST_P(JobStoreTest, KeepsRequestsOfOtherThings) {
  StoredRequest request = MakeRequest("r", "models/m");
  request.method = "UploadModel";
  ASSERT_TRUE(store_->PutRequest(request).ok());
  request.uid = "another";
  EXPECT_TRUE(store_->PutRequest(request).ok()) << "the same call again, after a crash before its model was there";
  EXPECT_EQ(Find("r")->uid, "another");
  ASSERT_TRUE(store_->EndRequests("models/m", absl::FromUnixSeconds(2'000'000)).ok());
  EXPECT_EQ(Find("r")->delete_time, absl::FromUnixSeconds(2'000'000));
  EXPECT_TRUE(absl::IsAlreadyExists(store_->PutRequest(request)));
  ASSERT_TRUE(store_->EndRequests("models/n", absl::FromUnixSeconds(2'000'000) + kRequestLifetime).ok());
  EXPECT_FALSE(Find("r", absl::FromUnixSeconds(2'000'000)).has_value()) << "forgotten when another thing is deleted";
}

TEST_P(JobStoreTest, ListsNewestFirstInPagesAndByState) {
  std::vector<JobKey> keys;
  for (const char* id : {"a", "b", "c", "d"}) {
    v1::Job job = MakeJob(id);
    job.set_state(*id == 'b' ? v1::JOB_STATE_FAILED : v1::JOB_STATE_QUEUED);
    keys.push_back(Create(*store_, job));
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
  EXPECT_THAT(names(0, {v1::JOB_STATE_FAILED, v1::JOB_STATE_CANCELLED}, 10), ElementsAre("jobs/b"));
}

TEST_P(JobStoreTest, ReadsEventsInBoundedBatches) {
  const JobKey key =
      Create(*store_, MakeJob("a"), {Train(1, 1), Log(2, std::string(1000, 'x')), Log(3, "short"), Train(4, 2)});
  EXPECT_THAT(SequencesOf(*store_, key, {.after_sequence = 2}), ElementsAre(3, 4));
  EXPECT_THAT(SequencesOf(*store_, key, {.max_bytes = 100}), ElementsAre(1));
  EXPECT_THAT(SequencesOf(*store_, key, {.after_sequence = 1, .max_bytes = 100}), ElementsAre(2))
      << "one comes, however large";
  EXPECT_THAT(SequencesOf(*store_, key, {.kinds = 1u << v1::EVENT_KIND_TRAIN}), ElementsAre(1, 4));
  auto batch = store_->ReadEvents(key, {.after_sequence = 1, .max_events = 2, .kinds = 1u << v1::EVENT_KIND_TRAIN});
  ASSERT_TRUE(batch.ok());
  EXPECT_THAT(batch->events, IsEmpty());
  EXPECT_EQ(batch->last_scanned, 3) << "what was left out is not read again";
}

TEST_P(JobStoreTest, FindsEventsByKindAndStep) {
  const JobKey key = Create(*store_, MakeJob("a"), {Train(1, 10, 0.25), Train(2, 20), Log(3, "x")});
  auto found = store_->FindEvent(key, v1::EVENT_KIND_TRAIN, 10);
  ASSERT_TRUE(found.ok());
  ASSERT_TRUE(found->has_value());
  EXPECT_EQ((*found)->train().loss(), 0.25);
  EXPECT_EQ(*store_->FindEvent(key, v1::EVENT_KIND_STATISTICS, 10), std::nullopt);
  auto steps = store_->LastSteps(key);
  ASSERT_TRUE(steps.ok());
  EXPECT_EQ((*steps)[v1::EVENT_KIND_TRAIN], 20u);
  EXPECT_EQ((*steps)[v1::EVENT_KIND_STATISTICS], std::nullopt);
}

TEST_P(JobStoreTest, CommitsFromManyThreadsInOrderOfEachThread) {
  constexpr int kThreads = 8;
  constexpr int kEvents = 50;
  std::vector<JobKey> keys;
  for (int i = 0; i < kThreads; ++i) keys.push_back(Create(*store_, MakeJob("job-" + std::to_string(i))));
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
  for (JobKey key : keys) EXPECT_EQ(SequencesOf(*store_, key, {}).size(), size_t{kEvents});
}

}  // namespace
}  // namespace traind::server
