// What a server and its workers leave on the disk is for their user alone, whatever the umask; the port file is for
// all.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/integration/fixture.h"

namespace traind::integration {
namespace {

class FileModesTest : public IntegrationTest {
 protected:
  FileModesTest() : before_(umask(0)) {}
  ~FileModesTest() override { umask(before_); }

 private:
  const mode_t before_;
};

mode_t ModeOf(const std::string& path) {
  struct stat info {};
  EXPECT_EQ(lstat(path.c_str(), &info), 0) << path;
  return info.st_mode & 07777;
}

TEST_F(FileModesTest, EverythingInTheDataFolderIsItsOwnersAlone) {
  StartServer();
  ImportPoints();
  v1::JobSpec spec = PointsJob(60);
  const v1::Job job = Submit(spec, "mine");
  Watcher(server_.get(), job.name()).Finish();
  v1::PredictSplitRequest predict;
  predict.mutable_model()->set_model("jobs/mine/checkpoints/latest");
  predict.mutable_range()->set_split("test");
  v1::PredictSplitResponse predicted;
  EXPECT_TRUE(PredictSplit(predict, &predicted).ok());
  v1::Upload upload;
  EXPECT_EQ(Upload("half", std::string(1000, 'x'), 0, 500, &upload).error_code(), grpc::StatusCode::INVALID_ARGUMENT);

  std::vector<std::string> found;
  const std::string data = folder_ / "data";
  EXPECT_EQ(ModeOf(data), 0700u);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(data)) {
    found.push_back(entry.path().string());
    EXPECT_EQ(ModeOf(found.back()), entry.is_directory() ? 0700u : 0600u) << found.back();
  }
  // A dataset, checkpoints, predictions, half an upload, the database.
  EXPECT_GT(found.size(), 25u);
  for (const char* path : {"/traind.db", "/traind.db-wal", "/datasets/points/dataset.json", "/jobs/mine/checkpoints"}) {
    EXPECT_TRUE(std::filesystem::exists(data + path)) << path;
  }
  EXPECT_EQ(ModeOf(folder_ / "port"), 0644u);
}

}  // namespace
}  // namespace traind::integration
