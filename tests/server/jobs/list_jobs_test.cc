// The contract of pages over many jobs, on each store: of jobs that come and go none is missed that stayed, none comes
// twice, and a client with default limits can read every page.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <ostream>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/jobs/job_manager.h"
#include "server/resources/job_record.h"
#include "server/store/sqlite_job_store.h"
#include "tests/server/fake_launcher.h"
#include "tests/support/memory_job_store.h"
#include "tests/support/temporary_folder.h"

namespace traind::server {
namespace {

#ifdef TRAIND_SANITIZED  // What is slow is the making of them.
constexpr int kJobs = 2'000;
#else
constexpr int kJobs = 10'000;
#endif

struct Implementation {
  const char* name;
  std::unique_ptr<JobStore> (*open)(const std::string& folder);
};

void PrintTo(const Implementation& implementation, std::ostream* out) { *out << implementation.name; }

class ListJobsTest : public ::testing::TestWithParam<Implementation> {
 protected:
  ListJobsTest() {
    folder_ = *DataFolder::Open(path_.path());
    store_ = GetParam().open(path_.path());
    log_ = std::make_unique<EventLog>(store_.get());
    manager_ = *JobManager::Start({}, store_.get(), log_.get(), folder_.get(), &launcher_, &budget_);
  }

  // A job that has ended: the manager has nothing to do with it.
  void Add(const std::string& id) {
    v1::Job job;
    job.set_name("jobs/" + id);
    job.set_state(random_() % 2 == 0 ? v1::JOB_STATE_SUCCEEDED : v1::JOB_STATE_FAILED);
    job.mutable_spec()->set_display_name(absl::StrCat("name ", random_() % 5));
    job.mutable_spec()->set_priority(static_cast<int32_t>(random_() % 3));
    (*job.mutable_spec()->mutable_labels())["parity"] = random_() % 2 == 0 ? "even" : "odd";
    google::protobuf::Timestamp created;
    created.set_seconds(1'000'000 + static_cast<int64_t>(random_() % 1000));
    BeginRecord(job, created);
    auto key = store_->CreateJob(job, {});
    ASSERT_TRUE(key.ok()) << key.status();
    keys_[job.name()] = *key;
  }

  TemporaryFolder path_{TemporaryFolder::Place::kMemory};
  FakeLauncher launcher_;
  std::unique_ptr<DataFolder> folder_;
  std::unique_ptr<JobStore> store_;
  std::unique_ptr<EventLog> log_;
  Budget budget_{{.threads = 1, .memory_bytes = 1}};
  std::unique_ptr<JobManager> manager_;
  std::mt19937 random_{11};
  std::map<std::string, JobKey> keys_;
};

INSTANTIATE_TEST_SUITE_P(All, ListJobsTest,
                         ::testing::Values(Implementation{"Sqlite",
                                                          [](const std::string& folder) -> std::unique_ptr<JobStore> {
                                                            return *SqliteJobStore::Open({.path = folder + "/jobs.db"});
                                                          }},
                                           Implementation{"Memory",
                                                          [](const std::string&) -> std::unique_ptr<JobStore> {
                                                            return std::make_unique<MemoryJobStore>();
                                                          }}),
                         [](const auto& instance) { return instance.param.name; });

TEST_P(ListJobsTest, MissesNoneThatStaysAndShowsNoneTwice) {
  for (int i = 0; i < kJobs; ++i) Add(absl::StrCat("job-", i));
  int added = 0;
  for (const auto& [order, filter] : std::vector<std::pair<std::string, std::string>>{
           {"", ""}, {"display_name, priority desc", ""}, {"create_time", "labels.parity = even"}}) {
    v1::ListJobsRequest request;
    request.set_order_by(order);
    request.set_filter(filter);
    request.set_page_size(500);
    const std::map<std::string, JobKey> before = keys_;
    std::map<std::string, int> seen;
    std::set<std::string> gone;
    do {
      auto page = manager_->List(request);
      ASSERT_TRUE(page.ok()) << page.status();
      EXPECT_LT(page->ByteSizeLong(), size_t{4} << 20);
      for (const v1::Job& job : page->jobs()) {
        ++seen[job.name()];
        EXPECT_TRUE(filter.empty() || job.labels().at("parity") == "even");
      }
      // Some go, read or not, and some come.
      for (int change = 0; change < 5; ++change) {
        auto victim = keys_.begin();
        std::advance(victim, random_() % keys_.size());
        gone.insert(victim->first);
        ASSERT_TRUE(store_->DeleteJob(victim->second).ok());
        keys_.erase(victim);
        Add(absl::StrCat("new-", ++added));
      }
      request.set_page_token(page->next_page_token());
    } while (!request.page_token().empty());
    for (const auto& [name, times] : seen) ASSERT_EQ(times, 1) << name << " by \"" << order << "\"";
    if (!filter.empty()) continue;
    for (const auto& [name, key] : before) {
      ASSERT_TRUE(gone.count(name) > 0 || seen.count(name) > 0) << name << " by \"" << order << "\"";
    }
  }
}

}  // namespace
}  // namespace traind::server
