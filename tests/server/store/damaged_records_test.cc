// Rows that are no records any more: they are passed over, named, and can be deleted.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "server/store/sqlite_job_store.h"
#include "tests/server/store/stored.h"
#include "tests/support/temporary_folder.h"

namespace traind::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class DamagedRecordsTest : public ::testing::Test {
 protected:
  DamagedRecordsTest() {
    Open();
    for (const char* id : {"a", "b", "c"}) keys_.push_back(Create(*store_, MakeJob(id), {Train(1, 1), Train(2, 2)}));
    internal::OperationRecord operation;
    for (const char* id : {"x", "y"}) {
      operation.set_name(std::string("operations/") + id);
      EXPECT_TRUE(store_->CreateOperation(operation).ok());
    }
  }

  void Open() {
    store_.reset();
    auto store = SqliteJobStore::Open({.path = path_});
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }
  // As a disk that forgets, or another program.
  void Damage(const std::string& sql) {
    store_.reset();
    auto connection = OpenConnection(path_, SQLITE_OPEN_READWRITE);
    ASSERT_TRUE(connection.ok());
    ASSERT_TRUE(Execute(connection->get(), sql).ok());
    connection->reset();
    Open();
  }
  void ExpectListed(const std::vector<std::string>& sound, const std::vector<std::string>& damaged) {
    std::vector<std::string> jobs, named;
    const auto add = [&](const StoredJob& job) {
      jobs.push_back(job.job.name());
      return true;
    };
    EXPECT_TRUE(store_->ListJobs(0, {}, add, [&](const std::string& name) { named.push_back(name); }).ok());
    EXPECT_EQ(jobs, sound);
    EXPECT_EQ(named, damaged);
  }

  TemporaryFolder folder_;
  const std::string path_ = folder_.path() + "/traind.db";
  std::unique_ptr<SqliteJobStore> store_;
  std::vector<JobKey> keys_;
};

TEST_F(DamagedRecordsTest, AJobIsPassedOverNamedAndDeleted) {
  for (const char* damage :
       {"record = x'ffff'", "progress = x'ffff'", "record = x''", "state = 3", "last_sequence = last_sequence + 1"}) {
    SCOPED_TRACE(damage);
    Damage(std::string("UPDATE jobs SET ") + damage + " WHERE id = 'b'");
    ExpectListed({"jobs/c", "jobs/a"}, {"jobs/b"});
    const absl::Status status = store_->GetJob("b").status();
    EXPECT_TRUE(absl::IsDataLoss(status)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("jobs/b is damaged"));
    auto key = store_->KeyOf("b");
    ASSERT_TRUE(key.ok()) << key.status();
    ASSERT_TRUE(store_->DeleteJob(*key).ok());
    ExpectListed({"jobs/c", "jobs/a"}, {});
    EXPECT_TRUE(absl::IsNotFound(store_->KeyOf("b").status()));
    // For the next damage; it is the oldest but for its key.
    Create(*store_, MakeJob("b"));
  }
}

TEST_F(DamagedRecordsTest, AnEventIsOneThatSaysSo) {
  Damage("UPDATE events SET payload = x'ffff' WHERE sequence = 1");
  auto batch = store_->ReadEvents(keys_[0], {});
  ASSERT_TRUE(batch.ok()) << batch.status();
  ASSERT_EQ(batch->events.size(), 2u);
  EXPECT_EQ(batch->events[0]->sequence(), 1);
  EXPECT_EQ(batch->events[0]->log().level(), v1::LogLine::LEVEL_ERROR);
  EXPECT_THAT(batch->events[0]->log().text(), HasSubstr("event 1 is damaged"));
  EXPECT_EQ(batch->events[1]->train().loss(), 0.5);
  auto found = store_->FindEvent(keys_[0], v1::EVENT_KIND_TRAIN, 1);
  ASSERT_TRUE(found.ok());
  EXPECT_FALSE(found->has_value());
}

// Whole records that are not what was written there.
TEST_F(DamagedRecordsTest, WhatIsAnotherIsDamagedToo) {
  Damage(
      "UPDATE events SET payload = (SELECT payload FROM events AS e WHERE e.job = events.job AND e.sequence = 2) "
      "WHERE sequence = 1");
  for (const JobKey key : keys_) {
    auto batch = store_->ReadEvents(key, {});
    ASSERT_TRUE(batch.ok()) << batch.status();
    EXPECT_THAT(batch->events[0]->log().text(), HasSubstr("event 1 is damaged"));
  }
  Damage("UPDATE events SET kind = 40 WHERE sequence = 2");
  auto batch = store_->ReadEvents(keys_[0], {.kinds = 1 << v1::EVENT_KIND_CHECKPOINT});
  ASSERT_TRUE(batch.ok()) << batch.status();
  ASSERT_EQ(batch->events.size(), 1u) << "for everybody";
  EXPECT_THAT(batch->events[0]->log().text(), HasSubstr("event 2 is damaged"));
}

TEST_F(DamagedRecordsTest, AnOperationIsPassedOverNamedAndDeleted) {
  Damage("UPDATE operations SET record = x'ffff' WHERE id = 'x'");
  std::vector<std::string> sound, damaged;
  const auto add = [&](const StoredOperation& stored) {
    sound.push_back(stored.record.name());
    return true;
  };
  ASSERT_TRUE(store_->ListOperations(0, add, [&](const std::string& name) { damaged.push_back(name); }).ok());
  EXPECT_THAT(sound, ElementsAre("operations/y"));
  EXPECT_THAT(damaged, ElementsAre("operations/x"));
  EXPECT_TRUE(absl::IsDataLoss(store_->GetOperation("x").status()));
  auto key = store_->KeyOfOperation("x");
  ASSERT_TRUE(key.ok());
  EXPECT_TRUE(store_->DeleteOperation(*key, absl::Now()).ok());
  EXPECT_TRUE(absl::IsNotFound(store_->GetOperation("x").status()));
}

}  // namespace
}  // namespace traind::server
