#include "server/retention/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

namespace traind::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

RetentionPolicy Policy(const std::vector<std::string>& rules) {
  auto policy = ParseRetention(rules);
  EXPECT_TRUE(policy.ok()) << policy.status();
  return policy.value_or(RetentionPolicy());
}

class PlanTest : public ::testing::Test {
 protected:
  // A job that ended so many days ago (-1: not yet), with 100 bytes of events and checkpoints of 10 bytes.
  void AddJob(const std::string& id, int days, v1::JobState state = v1::JOB_STATE_SUCCEEDED,
              const std::vector<int>& steps = {}) {
    Holding job{.kind = v1::STORAGE_KIND_JOBS, .name = "jobs/" + id, .bytes = 1, .state = state, .job = ++key_};
    if (days >= 0) job.time = kNow - absl::Hours(24 * days);
    Holding events = job;
    events.kind = v1::STORAGE_KIND_EVENTS;
    events.bytes = 100;
    events.reports = 5;
    events.report_bytes = 60;
    inventory_.holdings.push_back(job);
    inventory_.holdings.push_back(events);
    for (int step : steps) {
      Holding checkpoint = job;
      checkpoint.kind = v1::STORAGE_KIND_CHECKPOINTS;
      checkpoint.name = job.name + "/checkpoints/" + std::to_string(step);
      checkpoint.bytes = 10;
      inventory_.holdings.push_back(checkpoint);
    }
  }
  void Add(v1::StorageKind kind, const std::string& name, int days, int64_t bytes = 1) {
    inventory_.holdings.push_back({.kind = kind, .name = name, .bytes = bytes, .time = kNow - absl::Hours(24 * days)});
  }
  Holding& At(const std::string& name) {
    for (Holding& holding : inventory_.holdings) {
      if (holding.name == name) return holding;
    }
    ADD_FAILURE() << name;
    return inventory_.holdings.front();
  }
  std::vector<Removal> Removals(const std::vector<std::string>& rules) const {
    return PlanRemovals(Policy(rules), inventory_, kNow, [this](const std::string&) { return best_; });
  }
  std::vector<std::string> Plan(const std::vector<std::string>& rules) const {
    std::vector<std::string> names;
    for (const Removal& removal : Removals(rules)) names.push_back(removal.holding.name);
    return names;
  }

  Inventory inventory_;
  JobKey key_ = 0;
  std::optional<int64_t> best_ = 20;
};

TEST_F(PlanTest, WithoutRulesOnlyUploadsAndTrashGo) {
  AddJob("old", 5000, v1::JOB_STATE_FAILED, {1, 2, 3});
  Add(v1::STORAGE_KIND_MODELS, "models/old", 5000);
  Add(v1::STORAGE_KIND_DATASETS, "datasets/old", 5000);
  Add(v1::STORAGE_KIND_UPLOADS, "uploads/new", 6);
  Add(v1::STORAGE_KIND_UPLOADS, "uploads/old", 7);
  Add(v1::STORAGE_KIND_TRASH, "trash/new", 6);
  Add(v1::STORAGE_KIND_TRASH, "trash/old", 7);
  EXPECT_THAT(Plan({}), ElementsAre("uploads/old", "trash/old"));
  EXPECT_THAT(Plan({"uploads=forever", "trash=6d"}), ElementsAre("trash/old", "trash/new"));
}

TEST_F(PlanTest, JobsGoByTheirStateAndAgeTheOldestFirst) {
  AddJob("young", 1, v1::JOB_STATE_FAILED);
  AddJob("older", 40, v1::JOB_STATE_FAILED);
  AddJob("oldest", 50, v1::JOB_STATE_FAILED);
  AddJob("good", 60);
  AddJob("runs", -1, v1::JOB_STATE_RUNNING);
  EXPECT_THAT(Plan({"failed=30d"}), ElementsAre("jobs/oldest", "jobs/older"));
  EXPECT_THAT(Plan({"jobs=30d"}), ElementsAre("jobs/good", "jobs/oldest", "jobs/older"));
  EXPECT_THAT(Plan({"jobs=0"}), ElementsAre("jobs/good", "jobs/oldest", "jobs/older", "jobs/young"));
  const Removal first = Removals({"failed=30d"}).front();
  EXPECT_EQ(first.reason, "ended 50 days ago (failed=30d)");
  EXPECT_EQ(first.holding.bytes, 101) << "all that it has";
}

TEST_F(PlanTest, NumbersAndBytesKeepTheNewest) {
  for (int days = 1; days <= 5; ++days) AddJob("j" + std::to_string(days), days);
  EXPECT_THAT(Plan({"succeeded=3"}), ElementsAre("jobs/j5", "jobs/j4"));
  for (int days = 1; days <= 4; ++days) Add(v1::STORAGE_KIND_MODELS, "models/m" + std::to_string(days), days, 400);
  EXPECT_THAT(Plan({"models=1KiB"}), ElementsAre("models/m4", "models/m3"));
  EXPECT_THAT(Plan({"models=1KiB,36h"}), ElementsAre("models/m4", "models/m3", "models/m2"));
}

TEST_F(PlanTest, WhatIsPinnedOrNeededStays) {
  for (int days = 1; days <= 3; ++days) AddJob("j" + std::to_string(days), days);
  At("jobs/j3").pinned = true;
  At("jobs/j2").starts_another = true;
  EXPECT_THAT(Plan({"jobs=0"}), ElementsAre("jobs/j1"));
  Add(v1::STORAGE_KIND_MODELS, "models/pinned", 9);
  At("models/pinned").pinned = true;
  EXPECT_THAT(Plan({"models=1d"}), IsEmpty());
}

TEST_F(PlanTest, OfCheckpointsTheNewestAndTheBestStay) {
  AddJob("a", 10, v1::JOB_STATE_SUCCEEDED, {10, 20, 30, 40});
  AddJob("runs", -1, v1::JOB_STATE_RUNNING, {10, 30, 40});
  EXPECT_THAT(Plan({"checkpoints=7d"}), ElementsAre("jobs/a/checkpoints/10", "jobs/a/checkpoints/30"));
  At("jobs/a/checkpoints/10").starts_another = true;
  EXPECT_THAT(Plan({"checkpoints=7d"}), ElementsAre("jobs/a/checkpoints/30"));
  best_ = std::nullopt;
  EXPECT_THAT(Plan({"checkpoints=7d"}), IsEmpty()) << "any may be the best one";
  EXPECT_THAT(Plan({"checkpoints=7d", "jobs=7d"}), ElementsAre("jobs/a")) << "it goes as a whole";
}

TEST_F(PlanTest, EventsAreThinnedOnce) {
  AddJob("a", 10);
  AddJob("thin", 10);
  inventory_.holdings.back().reports = 2;
  const auto removals = Removals({"events=7d"});
  ASSERT_EQ(removals.size(), 1u);
  EXPECT_EQ(removals[0].holding.kind, v1::STORAGE_KIND_EVENTS);
  EXPECT_EQ(removals[0].holding.name, "jobs/a");
  EXPECT_EQ(removals[0].holding.bytes, 60);
}

TEST(RetentionRules, SayWhatTheyWant) {
  for (const char* rule :
       {"failed", "failed=", "=30d", "Failed=30d", "failed=30", "failed=30w", "failed=0d", "failed=36501d",
        "failed=1d,2d", "failed=1,2", "failed=1GiB,2GiB", "failed=-1", "failed=1.5d", "failed=30d,",
        "failed=1d,forever", "datasets=1d", "failed=1GB", "failed=99999999GiB"}) {
    const auto policy = ParseRetention({rule});
    if (std::string(rule) == "failed=30") {
      EXPECT_TRUE(policy.ok()) << "a number";
      continue;
    }
    EXPECT_TRUE(absl::IsInvalidArgument(policy.status())) << rule;
    EXPECT_THAT(policy.status().message(), HasSubstr("like failed=30d,100")) << rule;
  }
  const RetentionPolicy policy = Policy({"failed=30d", "failed=12h,5,2GiB"});
  const RetentionRule& rule = policy.at(Retained::kFailed);
  EXPECT_EQ(rule.limit.age, absl::Hours(12));
  EXPECT_EQ(rule.limit.count, 5);
  EXPECT_EQ(rule.limit.bytes, int64_t{2} << 30);
  EXPECT_EQ(rule.text, "failed=12h,5,2GiB");
  EXPECT_EQ(Policy({" failed=1d  models=5 "}).size(), 4u) << "as an environment variable has them";
}

}  // namespace
}  // namespace traind::server
