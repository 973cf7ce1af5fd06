#include "server/store/data_folder.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <string>

#include "tests/support/bytes.h"
#include "tests/support/temporary_folder.h"

namespace traind::server {
namespace {

namespace fs = std::filesystem;

mode_t ModeOf(const std::string& path) {
  struct stat info {};
  EXPECT_EQ(lstat(path.c_str(), &info), 0) << path;
  return info.st_mode & 07777;
}

TEST(DataFolder, IsItsOwnersAloneWhereItIsMade) {
  const TemporaryFolder parent;
  const std::string path = parent / "new/data";
  ASSERT_TRUE(DataFolder::Open(path).ok());
  for (const char* folder : {"", "/datasets", "/jobs", "/models", "/operations", "/uploads", "/trash"}) {
    EXPECT_EQ(ModeOf(path + folder), 0700u) << folder;
  }
  EXPECT_EQ(ModeOf(path + "/lock"), 0600u);
}

// As a version before 0.3 left it, in a folder that somebody else uses, too.
TEST(DataFolder, ClosesWhatWasOpenAndNothingElse) {
  const TemporaryFolder path;
  chmod(path.path().c_str(), 0755);
  fs::create_directory(path / "jobs");
  chmod((path / "jobs").c_str(), 0775);
  fs::create_directory(path / "somebody");
  chmod((path / "somebody").c_str(), 0755);
  fs::create_directory_symlink(path / "somebody", path / "models");
  for (const char* file : {"traind.db", "traind.db-wal", "reserve"}) {
    WriteBytes(path / file, "");
    chmod((path / file).c_str(), 0644);
  }
  ASSERT_TRUE(DataFolder::Open(path.path()).ok());
  EXPECT_EQ(ModeOf(path / "jobs"), 0700u);
  for (const char* file : {"traind.db", "traind.db-wal", "reserve"}) EXPECT_EQ(ModeOf(path / file), 0600u) << file;
  EXPECT_EQ(ModeOf(path.path()), 0755u);
  EXPECT_EQ(ModeOf(path / "somebody"), 0755u);
}

TEST(DataFolder, WhatWasSetAsideStays) {
  const TemporaryFolder path;
  auto folder = *DataFolder::Open(path.path());
  fs::create_directory(path / "jobs/mine");
  WriteBytes(path / "jobs/mine/weights", "0.5");
  ASSERT_TRUE(folder->SetAside("jobs", "mine").ok());
  EXPECT_FALSE(folder->Exists("jobs", "mine"));
  fs::create_directory(path / "trash/somebody-else's");
  fs::create_directory(path / "trash/old-3");
  folder.reset();
  folder = *DataFolder::Open(path.path());
  EXPECT_FALSE(fs::exists(path / "trash/old-3"));
  const auto trash = *folder->ListTrash();
  ASSERT_EQ(trash.size(), 1u);
  EXPECT_TRUE(fs::exists(trash[0].path + "/weights"));
  EXPECT_EQ(trash[0].path.substr(trash[0].path.size() - 10), "-jobs-mine");
  EXPECT_TRUE(fs::exists(path / "trash/somebody-else's")) << "a server removes what it does not know";
}

}  // namespace
}  // namespace traind::server
