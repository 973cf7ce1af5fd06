// Files of older and newer schemas. data_0_1_0/traind.db was written by traind 0.1.0 (schema 1); its README says how.
#include "server/store/sqlite_schema.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/store/sqlite_job_store.h"
#include "tests/paths.h"
#include "tests/server/store/stored.h"
#include "tests/support/temporary_folder.h"
#include "traind/version.h"

namespace traind::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class SqliteSchemaTest : public ::testing::Test {
 protected:
  SqliteSchemaTest() {
    std::filesystem::copy_file(SourcePath("tests/server/store/data_0_1_0/traind.db"), path_);
    // The copy must be as writable as a file of the server's own.
    std::filesystem::permissions(path_, std::filesystem::perms::owner_write, std::filesystem::perm_options::add);
  }

  Connection Connect(int flags = SQLITE_OPEN_READWRITE) {
    auto connection = OpenConnection(path_, flags);
    EXPECT_TRUE(connection.ok()) << connection.status();
    return *std::move(connection);
  }
  // Each row of one column.
  std::vector<std::string> Rows(const std::string& query) {
    const Connection connection = Connect();
    std::vector<std::string> rows;
    auto statement = Statement::Prepare(connection.get(), query);
    if (!statement.ok()) return {std::string(statement.status().message())};
    while (statement->Step().value_or(false)) rows.emplace_back(statement->Bytes(0));
    return rows;
  }
  std::vector<std::string> Schema() { return Rows("PRAGMA user_version"); }
  std::vector<std::string> Tables() {
    return Rows("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name");
  }
  std::string Bytes() {
    std::ostringstream bytes;
    bytes << std::ifstream(path_, std::ios::binary).rdbuf();
    return bytes.str();
  }
  std::unique_ptr<SqliteJobStore> Open() {
    auto store = SqliteJobStore::Open({.path = path_});
    EXPECT_TRUE(store.ok()) << store.status();
    return store.ok() ? *std::move(store) : nullptr;
  }

  TemporaryFolder folder_;
  const std::string path_ = folder_.path() + "/traind.db";
};

TEST_F(SqliteSchemaTest, TheStepsAreNumberedFromOne) {
  int64_t schema = 0;
  for (const Migration& migration : Migrations()) EXPECT_EQ(migration.schema, ++schema);
}

TEST_F(SqliteSchemaTest, AFileOfVersion010KeepsEveryJobAndEvent) {
  ASSERT_THAT(Schema(), ElementsAre("1"));
  const std::vector<std::string> events = Rows("SELECT payload FROM events ORDER BY job, sequence");
  ASSERT_EQ(events.size(), 28u);
  const auto store = Open();
  ASSERT_NE(store, nullptr);

  EXPECT_THAT(*store->JobIds(), ElementsAre("finished", "running", "queued")) << "\"deleted\" stays deleted";
  std::vector<std::string> read;
  for (const char* id : {"finished", "running", "queued"}) {
    auto batch = store->ReadEvents(store->GetJob(id)->key, {.max_bytes = 1 << 30});
    ASSERT_TRUE(batch.ok()) << batch.status();
    for (const auto& event : batch->events) read.push_back(event->SerializeAsString());
  }
  EXPECT_EQ(read, events);

  const v1::Job finished = store->GetJob("finished")->job;
  EXPECT_EQ(finished.state(), v1::JOB_STATE_SUCCEEDED);
  EXPECT_EQ(finished.last_sequence(), 20);
  EXPECT_EQ(finished.progress().step(), 20u);
  EXPECT_EQ(finished.progress().checkpoint_step(), 20u);
  EXPECT_EQ(finished.progress().evaluation_accuracy(), 1.0);
  EXPECT_EQ(finished.spec().network().layers(0).name(), "hidden");
  EXPECT_EQ(finished.resolved_spec().data().dataset(), "datasets/points");
  const auto request = store->FindRequest(finished.request_id(), absl::Now());
  ASSERT_TRUE(request.ok() && request->has_value());
  EXPECT_EQ((*request)->method, "CreateJob");
  EXPECT_EQ((*request)->resource, "jobs/finished");
  EXPECT_EQ((*request)->fingerprint, "") << "not known";
  const v1::Job running = store->GetJob("running")->job;
  EXPECT_EQ(running.state(), v1::JOB_STATE_QUEUED) << "put back by the end of its server";
  EXPECT_EQ(running.attempts(), 1u);
  EXPECT_EQ(running.progress().checkpoint_step(), 55768u);
  EXPECT_EQ(store->GetJob("queued")->job.attempts(), 0u);
}

TEST_F(SqliteSchemaTest, JobsOfVersion010HaveWhatNewOnesHave) {
  std::vector<std::string> uids, etags;
  for (int open = 0; open < 2; ++open) {
    const auto store = Open();
    ASSERT_NE(store, nullptr);
    for (const char* id : {"finished", "running", "queued"}) {
      const v1::Job job = store->GetJob(id)->job;
      uids.push_back(job.uid());
      etags.push_back(job.etag());
      EXPECT_EQ(job.uid().size(), 36u);
      EXPECT_EQ(job.dataset(), "datasets/points");
      EXPECT_EQ(job.display_name(), job.spec().display_name());
      EXPECT_EQ(job.priority(), job.spec().priority());
      EXPECT_GE(job.update_time().seconds(), job.create_time().seconds());
    }
    EXPECT_EQ(store->GetJob("finished")->job.update_time().seconds(),
              store->GetJob("finished")->job.end_time().seconds());
  }
  EXPECT_THAT(std::set<std::string>(uids.begin(), uids.end()), ::testing::SizeIs(3));
  EXPECT_TRUE(std::equal(uids.begin(), uids.begin() + 3, uids.begin() + 3)) << "each time the same";
  EXPECT_TRUE(std::equal(etags.begin(), etags.begin() + 3, etags.begin() + 3));
}

TEST_F(SqliteSchemaTest, AFileOfVersion010CanBeWrittenOn) {
  const auto store = Open();
  ASSERT_NE(store, nullptr);
  StoredJob queued = *store->GetJob("queued");
  queued.job.set_state(v1::JOB_STATE_RUNNING);
  queued.job.set_last_sequence(2);
  ASSERT_TRUE(store->UpdateJob(queued.key, queued.job, {Train(2, 1)}).ok());
  EXPECT_EQ(store->GetJob("queued")->job.SerializeAsString(), queued.job.SerializeAsString());
  EXPECT_THAT(SequencesOf(*store, queued.key, {}), ElementsAre(1, 2));
  auto added = store->CreateJob(MakeJob("deleted"), {Train(1, 1)});
  ASSERT_TRUE(added.ok()) << added.status();
  EXPECT_EQ(*added, 5) << "2 was the deleted job's";
  ASSERT_TRUE(store->DeleteJob(store->GetJob("finished")->key).ok());
  EXPECT_THAT(*store->JobIds(), ElementsAre("running", "queued", "deleted"));
}

TEST_F(SqliteSchemaTest, NotesTheVersionThatWritesAndMigratesOnce) {
  Open();
  EXPECT_THAT(Schema(), ElementsAre(absl::StrCat(Migrations().back().schema)));
  EXPECT_THAT(Rows("SELECT version FROM written_by"), ElementsAre(kVersion));
  const std::string migrated = Bytes();
  Open();
  EXPECT_EQ(Bytes(), migrated) << "a second open writes nothing";
  ASSERT_TRUE(Migrate(Connect().get(), Migrations(), "0.9.9").ok());
  EXPECT_THAT(Rows("SELECT version FROM written_by"), ElementsAre("0.9.9")) << "each version notes itself";
}

TEST_F(SqliteSchemaTest, AFileOfVersion010GetsUsersAndTokens) {
  Open();
  EXPECT_THAT(Rows("SELECT COUNT(*) FROM users"), ElementsAre("0"));
  EXPECT_THAT(Rows("SELECT COUNT(*) FROM tokens"), ElementsAre("0"));
  EXPECT_EQ(Open()->GetJob("finished")->job.owner(), "") << "nobody's: for administrators only, once there are users";
}

TEST_F(SqliteSchemaTest, AStepThatFailsLeavesTheOldFile) {
  std::vector<Migration> steps(Migrations().begin(), Migrations().end());
  steps.push_back({steps.back().schema + 1, "CREATE TABLE half (a); INSERT INTO no_such_table VALUES (1);"});
  const std::vector<std::string> tables = Tables();
  const absl::Status status = Migrate(Connect().get(), steps, "0.9.9");
  EXPECT_THAT(std::string(status.message()), HasSubstr("no_such_table"));
  EXPECT_THAT(Schema(), ElementsAre("1"));
  EXPECT_EQ(Tables(), tables);
}

TEST_F(SqliteSchemaTest, AFullDiskLeavesTheOldFile) {
  // The pages that the deleted job left are taken, and the file may not grow.
  ASSERT_TRUE(Execute(Connect().get(), "INSERT INTO events VALUES (9, 1, 6, 0, zeroblob(8000))").ok());
  const auto size = static_cast<int64_t>(std::filesystem::file_size(path_));
  const std::vector<std::string> tables = Tables();
  const absl::Status status = SqliteJobStore::Open({.path = path_, .max_bytes = size}).status();
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_THAT(Schema(), ElementsAre("1"));
  EXPECT_EQ(Tables(), tables);
  EXPECT_NE(Open(), nullptr) << "with room again";
}

TEST_F(SqliteSchemaTest, AFileThatCannotBeWrittenStaysAsItIs) {
  EXPECT_FALSE(Migrate(Connect(SQLITE_OPEN_READONLY).get(), Migrations(), "0.9.9").ok());
  EXPECT_THAT(Schema(), ElementsAre("1"));
}

TEST_F(SqliteSchemaTest, ANewerFileIsRefusedWithTheVersionToUse) {
  const int64_t known = Migrations().back().schema;
  std::vector<Migration> steps(Migrations().begin(), Migrations().end());
  steps.push_back({known + 1, "CREATE TABLE later (a);"});
  ASSERT_TRUE(Migrate(Connect().get(), steps, "0.3.0").ok());
  const std::string newer = Bytes();
  const absl::Status status = SqliteJobStore::Open({.path = path_}).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_EQ(status.message(), absl::StrCat(path_, ": was written by traind 0.3.0 (schema ", known + 1,
                                           ", this one knows ", known, "); use that version"));
  EXPECT_EQ(Bytes(), newer);
}

TEST_F(SqliteSchemaTest, ANewerFileIsRefusedWhenItDoesNotSayWhoWroteIt) {
  ASSERT_TRUE(Execute(Connect().get(), "PRAGMA user_version=99").ok());
  const absl::Status status = SqliteJobStore::Open({.path = path_}).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("was written by a newer traind (schema 99"));
}

TEST_F(SqliteSchemaTest, AFileOfVersion010LearnsToGetShorter) {
  EXPECT_THAT(Rows("PRAGMA auto_vacuum"), ElementsAre("0"));
  Open();
  EXPECT_THAT(Rows("PRAGMA auto_vacuum"), ElementsAre("2"));
}

}  // namespace
}  // namespace traind::server
