// OperationStore's contract, held by each of its implementations.
#include "server/store/operation_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "server/store/sqlite_job_store.h"
#include "tests/support/memory_operation_store.h"
#include "tests/support/temporary_folder.h"

namespace traind::server {
namespace {

using ::testing::ElementsAre;

struct Implementation {
  const char* name;
  std::unique_ptr<OperationStore> (*open)(const std::string& folder);
};

void PrintTo(const Implementation& implementation, std::ostream* out) { *out << implementation.name; }

std::unique_ptr<OperationStore> OpenSqlite(const std::string& folder) {
  auto store = SqliteJobStore::Open({.path = folder + "/traind.db"});
  EXPECT_TRUE(store.ok()) << store.status();
  return *std::move(store);
}
std::unique_ptr<OperationStore> OpenMemory(const std::string&) { return std::make_unique<MemoryOperationStore>(); }

internal::OperationRecord MakeRecord(const std::string& id) {
  internal::OperationRecord record;
  record.set_name("operations/" + id);
  record.mutable_metadata()->set_method("Evaluate");
  record.mutable_task()->set_dataset_dir("somewhere");
  return record;
}

class OperationStoreTest : public ::testing::TestWithParam<Implementation> {
 protected:
  OperationKey Create(const internal::OperationRecord& record, const StoredRequest* request = nullptr) {
    auto key = store_->CreateOperation(record, request);
    EXPECT_TRUE(key.ok()) << key.status();
    return key.value_or(0);
  }
  std::vector<std::string> Names(OperationKey before, size_t most) {
    std::vector<std::string> names;
    const auto add = [&](const StoredOperation& stored) {
      names.push_back(stored.record.name());
      return names.size() < most;
    };
    EXPECT_TRUE(store_->ListOperations(before, add).ok());
    return names;
  }

  TemporaryFolder folder_;
  const std::unique_ptr<OperationStore> store_ = GetParam().open(folder_.path());
};

INSTANTIATE_TEST_SUITE_P(All, OperationStoreTest,
                         ::testing::Values(Implementation{"Sqlite", OpenSqlite}, Implementation{"Memory", OpenMemory}),
                         [](const auto& instance) { return instance.param.name; });

TEST_P(OperationStoreTest, GivesBackWhatWasStored) {
  internal::OperationRecord record = MakeRecord("a");
  const OperationKey key = Create(record);
  EXPECT_GT(key, 0);
  EXPECT_EQ(store_->GetOperation("a")->record.SerializeAsString(), record.SerializeAsString());
  record.mutable_response()->set_value("made");
  record.clear_task();
  ASSERT_TRUE(store_->UpdateOperation(key, record).ok());
  EXPECT_EQ(store_->GetOperation("a")->key, key);
  EXPECT_EQ(store_->GetOperation("a")->record.SerializeAsString(), record.SerializeAsString());
  EXPECT_TRUE(absl::IsNotFound(store_->GetOperation("b").status()));
}

TEST_P(OperationStoreTest, ListsTheNewestFirst) {
  Create(MakeRecord("a"));
  const OperationKey second = Create(MakeRecord("b"));
  Create(MakeRecord("c"));
  EXPECT_THAT(Names(0, 9), ElementsAre("operations/c", "operations/b", "operations/a"));
  EXPECT_THAT(Names(0, 2), ElementsAre("operations/c", "operations/b"));
  EXPECT_THAT(Names(second, 9), ElementsAre("operations/a"));
}

TEST_P(OperationStoreTest, RemembersWhatARequestMade) {
  const absl::Time now = absl::FromUnixSeconds(1'700'000'000);
  const StoredRequest request{.request_id = "r",
                              .method = "Evaluate",
                              .resource = "operations/a",
                              .uid = "",
                              .fingerprint = "print",
                              .create_time = now};
  const OperationKey key = Create(MakeRecord("a"), &request);
  StoredRequest other = request;
  other.resource = "operations/b";
  EXPECT_TRUE(absl::IsAlreadyExists(store_->CreateOperation(MakeRecord("b"), &other).status()));
  EXPECT_TRUE(absl::IsNotFound(store_->GetOperation("b").status())) << "all or nothing";
  EXPECT_TRUE(absl::IsAlreadyExists(store_->CreateOperation(MakeRecord("a")).status()));
  auto found = store_->FindRequest("r", now);
  ASSERT_TRUE(found.ok() && found->has_value());
  EXPECT_EQ((*found)->method, "Evaluate");
  EXPECT_EQ((*found)->resource, "operations/a");
  EXPECT_EQ((*found)->fingerprint, "print");
  EXPECT_EQ((*found)->delete_time, absl::InfiniteFuture());
  EXPECT_FALSE(store_->FindRequest("s", now)->has_value());

  ASSERT_TRUE(store_->DeleteOperation(key, now).ok());
  EXPECT_TRUE(absl::IsNotFound(store_->GetOperation("a").status()));
  EXPECT_EQ((*store_->FindRequest("r", now))->delete_time, now);
  EXPECT_TRUE(store_->FindRequest("r", now + kRequestLifetime - absl::Seconds(1))->has_value());
  EXPECT_FALSE(store_->FindRequest("r", now + kRequestLifetime)->has_value());
}

}  // namespace
}  // namespace traind::server
