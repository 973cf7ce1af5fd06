#include "server/backup/backup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include "core/checkpoint/checkpoint_dir.h"
#include "server/backup/sums.h"
#include "server/store/data_folder.h"
#include "server/store/sqlite_job_store.h"
#include "tests/server/store/stored.h"
#include "tests/support/bytes.h"
#include "tests/support/temporary_folder.h"

namespace traind::server {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class BackupTest : public ::testing::Test {
 protected:
  BackupTest() {
    data_ = *DataFolder::Open(folder_ / "data");
    store_ = *SqliteJobStore::Open({.path = data_->Database()});
    Put("datasets/digits/dataset.json", "{}");
    Put("datasets/digits/train.features", "0123456789");
    Put("models/mine/weights.safetensors", "weights");
    Put("uploads/half/upload.pb", "header");
    Put("uploads/half/data", "half of it");
    MakeJobWithCheckpoint("a", 10);
  }

  void Put(const std::string& file, const std::string& bytes) {
    const std::string path = data_->path() + "/" + file;
    fs::create_directories(fs::path(path).parent_path());
    WriteBytes(path, bytes);
  }
  void SaveStep(const std::string& job, uint64_t step, int keep_last = 3) {
    const std::vector<core::Tensor> tensors = {{"a.weight", {1}, {static_cast<float>(step)}}};
    const auto sources = core::SourcesOf(tensors);
    core::CheckpointContent content{.weights = sources, .state = sources};
    content.manifest.set_step(step);
    ASSERT_TRUE(core::SaveCheckpoint(data_->CheckpointDir(job), content, {.keep_last = keep_last}).ok());
  }
  void MakeJobWithCheckpoint(const std::string& id, uint64_t step) {
    SaveStep(id, step);
    v1::Job job = MakeJob(id);
    job.set_state(v1::JOB_STATE_RUNNING);
    job.mutable_progress()->set_checkpoint_step(step);
    Create(*store_, job, {Train(1, 1), Train(2, 2)});
  }
  absl::StatusOr<BackupSummary> Back(const std::string& dir = "backup") {
    return MakeBackup(data_->path(), folder_ / dir, tell_);
  }
  absl::StatusOr<BackupSummary> Verify() { return VerifyBackup(folder_ / "backup", tell_); }
  absl::StatusOr<BackupSummary> Restore() { return RestoreBackup(folder_ / "backup", folder_ / "restored", tell_); }
  // A file of the backup, with other bytes; those of the data folder stay.
  void Replace(const std::string& file, const std::string& bytes) {
    fs::remove(folder_ / ("backup/" + file));
    WriteBytes(folder_ / ("backup/" + file), bytes);
  }

  const TellProgress tell_ = [](const std::string&) {};
  const TemporaryFolder folder_;
  std::unique_ptr<DataFolder> data_;
  std::unique_ptr<SqliteJobStore> store_;
};

TEST_F(BackupTest, HoldsEverythingWhileTheStoreIsInUse) {
  const auto made = Back();
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(made->jobs, 1);
  EXPECT_GT(made->schema, 0);
  ASSERT_TRUE(Verify().ok()) << Verify().status();
  ASSERT_TRUE(store_->DeleteJob(1).ok());  // Nothing of later counts.
  const auto restored = Restore();
  ASSERT_TRUE(restored.ok()) << restored.status();
  const auto data = *DataFolder::Open(folder_ / "restored");
  const auto store = *SqliteJobStore::Open({.path = data->Database()});
  const auto job = store->GetJob("a");
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(job->job.progress().checkpoint_step(), 10u);
  EXPECT_EQ(SequencesOf(*store, job->key, {}), (std::vector<int64_t>{1, 2}));
  const auto checkpoint = core::FindCheckpoint(data->CheckpointDir("a"), "latest");
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_TRUE(core::VerifyCheckpoint(*checkpoint).ok());
  EXPECT_EQ(ReadBytes(folder_ / "restored/datasets/digits/train.features"), "0123456789");
  EXPECT_EQ(ReadBytes(folder_ / "restored/uploads/half/data"), "half of it");
  EXPECT_FALSE(fs::exists(folder_ / "restored/SHA256SUMS"));
  EXPECT_FALSE(fs::exists(folder_ / "restored/restoring"));
}

// What is written once shares its bytes; what is appended to does not.
TEST_F(BackupTest, LinksWhatNeverChanges) {
  ASSERT_TRUE(Back().ok());
  struct stat one {
  }, other{};
  for (const auto& [file, links] :
       {std::pair<std::string, nlink_t>{"datasets/digits/train.features", 2u}, {"uploads/half/data", 1u}}) {
    ASSERT_EQ(stat((folder_ / ("backup/" + file)).c_str(), &one), 0);
    ASSERT_EQ(stat((data_->path() + "/" + file).c_str(), &other), 0);
    EXPECT_EQ(one.st_nlink, links) << file;
    EXPECT_EQ(one.st_ino == other.st_ino, links == 2u) << file;
  }
}

TEST_F(BackupTest, Sha256sumChecksItToo) {
  ASSERT_TRUE(Back().ok());
  const std::string check =
      "cd " + (folder_ / "backup") + " && sha256sum --check --strict --quiet SHA256SUMS >/dev/null 2>&1";
  EXPECT_EQ(std::system(check.c_str()), 0);
  Replace("datasets/digits/train.features", "0123456788");
  EXPECT_NE(std::system(check.c_str()), 0);
}

TEST_F(BackupTest, EveryDamageIsNamed) {
  ASSERT_TRUE(Back().ok());
  Replace("datasets/digits/train.features", "0123456788");
  fs::remove(folder_ / "backup/models/mine/weights.safetensors");
  WriteBytes(folder_ / "backup/datasets/digits/more", "");
  const absl::Status status = Verify().status();
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  for (const char* damage : {"train.features has another checksum", "models/mine/weights.safetensors is missing",
                             "datasets/digits/more is not of the backup"}) {
    EXPECT_THAT(status.message(), HasSubstr(damage));
  }
  const absl::Status restored = Restore().status();
  EXPECT_TRUE(absl::IsDataLoss(restored)) << restored;
  EXPECT_FALSE(fs::exists(folder_ / "restored/traind.db"));
}

TEST_F(BackupTest, RefusesFoldersThatAreInUse) {
  EXPECT_THAT(MakeBackup(folder_ / "nothing", folder_ / "backup", tell_).status().message(), HasSubstr("--data-dir"));
  EXPECT_THAT(Back("data/jobs/backup").status().message(), HasSubstr("of the server's own"));
  EXPECT_TRUE(Back("data/backups/monday").ok()) << "as in a container that has one volume";
  ASSERT_TRUE(Back().ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(Back().status())) << "it is not empty";
  EXPECT_TRUE(absl::IsFailedPrecondition(RestoreBackup(folder_ / "backup", data_->path(), tell_).status()));
  fs::remove(folder_ / "backup/SHA256SUMS");
  EXPECT_THAT(Verify().status().message(), HasSubstr("is no whole backup"));
  EXPECT_THAT(Restore().status().message(), HasSubstr("is no whole backup"));
}

// A list that somebody else made leads nowhere else.
TEST_F(BackupTest, PathsStayInTheFolder) {
  ASSERT_TRUE(Back().ok());
  const std::string digest(64, '0');
  for (const char* path : {"../data/traind.db", "/etc/passwd", "a/../../b", "a//b", "./a", "a\\b", ""}) {
    Replace("SHA256SUMS", digest + "  " + path + "\n");
    EXPECT_TRUE(absl::IsDataLoss(Restore().status())) << path;
    EXPECT_TRUE(absl::IsDataLoss(Verify().status())) << path;
  }
  fs::remove(folder_ / "backup/datasets/digits/dataset.json");
  fs::create_symlink("/etc/passwd", folder_ / "backup/datasets/digits/dataset.json");
  Replace("SHA256SUMS", digest + "  datasets/digits/dataset.json\n");
  EXPECT_FALSE(Restore().ok());
}

// A start would set it aside.
TEST_F(BackupTest, LeavesOutWhatTheStoreDoesNotKnow) {
  SaveStep("gone", 5);
  Put("operations/gone/weights.safetensors", "");
  Put("datasets/.new-1/train.features", "half");
  ASSERT_TRUE(Back().ok());
  EXPECT_TRUE(fs::exists(folder_ / "backup/jobs/a"));
  EXPECT_FALSE(fs::exists(folder_ / "backup/jobs/gone"));
  EXPECT_FALSE(fs::exists(folder_ / "backup/operations/gone"));
  EXPECT_FALSE(fs::exists(folder_ / "backup/datasets/.new-1"));
}

// The store knows a checkpoint of step 10, and there are only later ones: no moment of the two is the same.
TEST_F(BackupTest, IsNoBackupWithoutACheckpointThatTheStoreKnows) {
  v1::Job job = MakeJob("ahead");
  job.set_state(v1::JOB_STATE_RUNNING);
  job.mutable_progress()->set_checkpoint_step(10);
  Create(*store_, job);
  SaveStep("ahead", 20);
  EXPECT_TRUE(absl::IsUnavailable(Back().status())) << Back().status();
  EXPECT_FALSE(fs::exists(folder_ / "backup/SHA256SUMS"));
}

// The schema of the file stays, so that the version of before can go on with it.
TEST(BackupOfAnOldVersion, StaysOne) {
  const TemporaryFolder folder;
  fs::create_directory(folder / "data");
  {
    auto connection = *OpenConnection(folder / "data/traind.db", SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
    ASSERT_TRUE(Execute(connection.get(),
                        "PRAGMA journal_mode=WAL; CREATE TABLE jobs (key INTEGER PRIMARY KEY, id TEXT, "
                        "state INTEGER, last_sequence INTEGER, progress BLOB, record BLOB); "
                        "PRAGMA user_version=1")
                    .ok());
  }
  const auto made = MakeBackup(folder / "data", folder / "backup", [](const std::string&) {});
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(made->schema, 1);
  EXPECT_EQ(VerifyBackup(folder / "backup", [](const std::string&) {})->schema, 1);
}

}  // namespace
}  // namespace traind::server
