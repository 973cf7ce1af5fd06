// A folder that is sent as an archive: GNU tar unpacks what was packed, wherever it is read from.
#include "client/packed_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "tests/support/file_formats.h"
#include "tests/support/temporary_folder.h"

namespace traind::client {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class PackedFolderTest : public ::testing::Test {
 protected:
  void Write(const std::string& name, const std::string& bytes) const {
    fs::create_directories(fs::path(folder_ / name).parent_path());
    WriteBytes(folder_ / name, bytes);
  }
  PackedFolder Open() const {
    auto packed = PackedFolder::Open(folder_ / "pets");
    EXPECT_TRUE(packed.ok()) << packed.status();
    return *std::move(packed);
  }
  // The archive, read `piece` bytes at a time.
  static std::string Read(const PackedFolder& packed, size_t piece) {
    std::string all;
    std::string bytes;
    do {
      EXPECT_TRUE(packed.ReadAt(static_cast<int64_t>(all.size()), piece, &bytes).ok());
      all += bytes;
    } while (!bytes.empty());
    return all;
  }

  const TemporaryFolder folder_;
};

TEST_F(PackedFolderTest, TarUnpacksIt) {
  const std::string deep = "pets/dog/" + std::string(120, 'n') + "grün.png";
  Write("pets/cat/1.png", std::string(1000, 'x'));
  Write("pets/cat/empty.png", "");
  Write(deep, std::string(512, 'y'));
  Write("pets/.git/config", "hidden");
  Write("elsewhere.png", "linked");
  fs::create_directories(folder_ / "pets/bird");
  fs::create_symlink(folder_ / "elsewhere.png", folder_ / "pets/dog/link.png");
  const PackedFolder packed = Open();
  EXPECT_EQ(packed.num_files(), 4);
  EXPECT_EQ(packed.num_hidden(), 1);
  const std::string archive = Read(packed, 1 << 20);
  EXPECT_EQ(static_cast<int64_t>(archive.size()), packed.size());
  for (const size_t piece : {1, 7, 511, 513}) EXPECT_EQ(Read(packed, piece), archive) << piece;
  EXPECT_EQ(*packed.Crc32(), Crc32Text(archive));

  WriteBytes(folder_ / "pets.tar", archive);
  fs::create_directories(folder_ / "out");
  ASSERT_EQ(std::system(("tar -xf " + (folder_ / "pets.tar") + " -C " + (folder_ / "out")).c_str()), 0);
  EXPECT_EQ(ReadBytes(folder_ / "out/cat/1.png"), std::string(1000, 'x'));
  EXPECT_EQ(ReadBytes(folder_ / "out/cat/empty.png"), "");
  EXPECT_EQ(ReadBytes(folder_ / ("out" + deep.substr(4))), std::string(512, 'y'));
  EXPECT_EQ(ReadBytes(folder_ / "out/dog/link.png"), "linked");
  EXPECT_FALSE(fs::is_symlink(folder_ / "out/dog/link.png"));
  EXPECT_TRUE(fs::is_directory(folder_ / "out/bird"));
  EXPECT_FALSE(fs::exists(folder_ / "out/.git"));
}

TEST_F(PackedFolderTest, TheSameFilesGiveTheSameBytes) {
  Write("pets/cat/1.png", "one");
  const std::string before = Read(Open(), 1 << 20);
  fs::last_write_time(folder_ / "pets/cat/1.png", fs::file_time_type::clock::now() - std::chrono::hours(100));
  fs::permissions(folder_ / "pets/cat/1.png", fs::perms::owner_all);
  EXPECT_EQ(Read(Open(), 1 << 20), before);
}

TEST_F(PackedFolderTest, AFileThatChangesEndsIt) {
  Write("pets/cat/1.png", "one");
  const PackedFolder packed = Open();
  Write("pets/cat/1.png", "longer");
  std::string bytes;
  const absl::Status status = packed.ReadAt(0, 1 << 20, &bytes);
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted);
  EXPECT_THAT(std::string(status.message()), HasSubstr("pets/cat/1.png changed while it was sent"));
}

TEST_F(PackedFolderTest, WhatCannotBePackedIsNamed) {
  fs::create_directories(folder_ / "pets/cat");
  EXPECT_THAT(std::string(PackedFolder::Open(folder_ / "pets").status().message()), HasSubstr("holds no files"));
  fs::create_directory_symlink(folder_ / "pets", folder_ / "pets/cat/up");
  EXPECT_THAT(std::string(PackedFolder::Open(folder_ / "pets").status().message()),
              HasSubstr("cat/up: a link to a folder"));
  EXPECT_EQ(PackedFolder::Open(folder_ / "none").status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace traind::client
