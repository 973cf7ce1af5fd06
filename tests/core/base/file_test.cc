#include "core/base/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <string>
#include <vector>

#include "core/base/checksum.h"
#include "core/base/machine.h"
#include "tests/support/file_formats.h"
#include "tests/support/temporary_folder.h"

namespace traind::core {
namespace {

using ::testing::HasSubstr;

TEST(FileTest, AtomicWriteReplacesAndLeavesNoTemporary) {
  TemporaryFolder folder;
  const std::string path = folder / "a";
  ASSERT_TRUE(AtomicWrite(path, "one").ok());
  ASSERT_TRUE(AtomicWrite(path, std::string("t\0o", 3)).ok());
  EXPECT_EQ(*ReadFile(path, 100), std::string("t\0o", 3));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);
}

TEST(FileTest, WhatIsMadeIsItsOwnersAloneUnlessSaidOtherwise) {
  TemporaryFolder folder;
  const mode_t before = umask(0);
  ASSERT_TRUE(CreateFolders(folder / "a/b").ok());
  ASSERT_TRUE(AtomicWrite(folder / "a/b/secret", "x").ok());
  ASSERT_TRUE(AtomicWrite(folder / "a/b/public", "x", 0644).ok());
  umask(before);
  const auto mode_of = [&](const std::string& name) {
    struct stat info {};
    EXPECT_EQ(stat((folder / name).c_str(), &info), 0) << name;
    return info.st_mode & 07777;
  };
  EXPECT_EQ(mode_of("a"), 0700u);
  EXPECT_EQ(mode_of("a/b"), 0700u);
  EXPECT_EQ(mode_of("a/b/secret"), 0600u);
  EXPECT_EQ(mode_of("a/b/public"), 0644u);
}

TEST(FileTest, AFailureOfAnyStepKeepsTheOldContent) {
  TemporaryFolder folder;
  const std::string path = folder / "a";
  ASSERT_TRUE(AtomicWrite(path, "old").ok());
  for (const char* operation : {"create", "write", "fsync", "rename"}) {
    static const char* failing;
    failing = operation;
    SetFileFaultForTest([](absl::string_view what, const std::string&) { return what == failing ? ENOSPC : 0; });
    const absl::Status status = AtomicWrite(path, "new");
    SetFileFaultForTest(nullptr);
    EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << operation;
    EXPECT_THAT(std::string(status.message()), HasSubstr("No space left on device"));
    EXPECT_EQ(ReadBytes(path), "old") << operation;
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1) << operation;
  }
}

// The limit on file sizes is a full disk that the kernel itself plays, in a process of its own.
TEST(FileTest, TheKernelsOwnFailureKeepsTheOldContent) {
  TemporaryFolder folder;
  const std::string path = folder / "a";
  ASSERT_TRUE(AtomicWrite(path, "old").ok());
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    signal(SIGXFSZ, SIG_IGN);
    const rlimit limit = {4096, 4096};
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) _exit(2);
    _exit(AtomicWrite(path, std::string(5000, 'x')).code() == absl::StatusCode::kResourceExhausted ? 0 : 1);
  }
  int result = -1;
  ASSERT_EQ(waitpid(child, &result, 0), child);
  EXPECT_TRUE(WIFEXITED(result));
  EXPECT_EQ(WEXITSTATUS(result), 0);
  EXPECT_EQ(ReadBytes(path), "old");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);
}

TEST(FileTest, ResumeDropsWhatIsPastTheSize) {
  TemporaryFolder folder;
  const std::string path = folder / "upload";
  WriteBytes(path, "0123456789");
  auto file = OutputFile::Resume(path, 4);
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_TRUE(file->Append("ab").ok());
  ASSERT_TRUE(file->Close().ok());
  EXPECT_EQ(ReadBytes(path), "0123ab");
  EXPECT_EQ(OutputFile::Resume(path, 7).status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(OutputFile::Resume(path, -1).status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_TRUE(OutputFile::Resume(folder / "fresh", 0).ok());
}

TEST(FileTest, ReadFileLimitsAndNamesThePath) {
  TemporaryFolder folder;
  WriteBytes(folder / "a", "12345");
  EXPECT_EQ(*ReadFile(folder / "a", 5), "12345");
  EXPECT_EQ(ReadFile(folder / "a", 4).status().code(), absl::StatusCode::kResourceExhausted);
  const absl::Status missing = ReadFile(folder / "b", 5).status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(missing.message(), "cannot open " + (folder / "b") + ": No such file or directory");
  EXPECT_EQ(ReadFile(folder.path(), 5).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(FileTest, NeitherReaderWaitsForAFifo) {
  TemporaryFolder folder;
  ASSERT_EQ(mkfifo((folder / "fifo").c_str(), 0600), 0);
  EXPECT_EQ(ReadFile(folder / "fifo", 5).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(MappedFile::Open(folder / "fifo").status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(FileTest, MappingOutlivesTheName) {
  TemporaryFolder folder;
  WriteBytes(folder / "a", "mapped");
  auto file = MappedFile::Open(folder / "a");
  ASSERT_TRUE(file.ok());
  std::filesystem::remove(folder / "a");
  MappedFile moved = *std::move(file);
  EXPECT_EQ(moved.data(), "mapped");
  WriteBytes(folder / "empty", "");
  EXPECT_EQ(MappedFile::Open(folder / "empty")->size(), 0);
}

TEST(FileTest, IsBelowResolvesLinksAndDots) {
  TemporaryFolder folder;
  std::filesystem::create_directories(folder / "root/in");
  std::filesystem::create_directories(folder / "root-other");
  WriteBytes(folder / "root/in/file", "");
  WriteBytes(folder / "root-other/file", "");
  std::filesystem::create_symlink(folder / "root-other", folder / "root/link");
  std::filesystem::create_symlink(folder / "root/in", folder / "entry");
  const std::string root = folder / "root";
  EXPECT_TRUE(*IsBelow(root, root));
  EXPECT_TRUE(*IsBelow(root, root + "/in/file"));
  EXPECT_TRUE(*IsBelow(root + "/", root + "/./in/../in/file"));
  EXPECT_TRUE(*IsBelow(root, folder / "entry/file"));
  EXPECT_FALSE(*IsBelow(root, folder / "root-other/file"));
  EXPECT_FALSE(*IsBelow(root, root + "/../root-other/file"));
  EXPECT_FALSE(*IsBelow(root, root + "/link/file"));
  EXPECT_TRUE(*IsBelow("/", root));
  EXPECT_EQ(IsBelow(root, root + "/none").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(IsBelow(root, root + std::string("/in\0/x", 6)).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(FileTest, RemoveAllDoesNotFollowLinks) {
  TemporaryFolder folder;
  std::filesystem::create_directories(folder / "kept");
  WriteBytes(folder / "kept/file", "x");
  std::filesystem::create_directories(folder / "gone/deep");
  std::filesystem::create_symlink(folder / "kept", folder / "gone/link");
  EXPECT_TRUE(RemoveAll(folder / "gone").ok());
  EXPECT_FALSE(std::filesystem::exists(folder / "gone"));
  EXPECT_EQ(ReadBytes(folder / "kept/file"), "x");
  EXPECT_TRUE(RemoveAll(folder / "gone").ok());
}

TEST(FileTest, ErrorsHaveTheCodesCallersActOn) {
  EXPECT_EQ(ErrnoStatus(ENOSPC, "write", "p").code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ErrnoStatus(ENOENT, "open", "p").code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ErrnoStatus(EACCES, "open", "p").code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(ErrnoStatus(EIO, "open", "p").code(), absl::StatusCode::kInternal);
  for (const int error : {ENOSPC, EDQUOT, EMFILE, ENFILE}) EXPECT_TRUE(IsOfMachine(ErrnoStatus(error, "open", "p")));
  EXPECT_FALSE(IsOfMachine(ErrnoStatus(EACCES, "open", "p")));
}

TEST(ChecksumTest, MatchesTheStandardsCheckValue) {
  EXPECT_EQ(Crc32Hex("123456789"), "cbf43926");  // The check value of CRC-32/ISO-HDLC.
  EXPECT_EQ(Crc32Hex(""), "00000000");
  Crc32 pieces;
  pieces.Update("1234");
  pieces.Update(nullptr, 0);  // Nothing changes nothing.
  pieces.Update("56789");
  EXPECT_EQ(pieces.hex(), "cbf43926");
}

TEST(AtomicWrite, ReplacesNoDevice) {
  for (const char* path : {"/dev/null", "/tmp"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(AtomicWrite(path, "x"))) << path;
  }
}

TEST(FileTest, NewFoldersAreDurableInThoseAbove) {
  TemporaryFolder folder;
  static std::vector<std::string>* synced;
  std::vector<std::string> paths;
  synced = &paths;
  SetFileFaultForTest([](absl::string_view operation, const std::string& path) {
    if (operation == "fsync") synced->push_back(path);
    return 0;
  });
  EXPECT_TRUE(CreateFolders(folder / "a/b/c").ok());
  EXPECT_THAT(paths, testing::UnorderedElementsAre(folder.path(), folder / "a", folder / "a/b"));
  paths.clear();
  EXPECT_TRUE(CreateFolders(folder / "a/b").ok());
  EXPECT_THAT(paths, testing::IsEmpty()) << "it was there";
  SetFileFaultForTest(nullptr);
  WriteBytes(folder / "file", "x");
  EXPECT_FALSE(CreateFolders(folder / "file").ok());
  EXPECT_FALSE(CreateFolders(folder / "file/in").ok());
}

TEST(FileTest, AFileIsCopiedWhereItCannotBeLinked) {
  TemporaryFolder folder;
  WriteBytes(folder / "a", "weights");
  EXPECT_TRUE(LinkOrCopy(folder / "a", folder / "linked").ok());
  EXPECT_EQ(std::filesystem::hard_link_count(folder / "a"), 2u);
  for (const int error : {EXDEV, EPERM, EMLINK, EOPNOTSUPP}) {
    static int fault;
    fault = error;
    SetFileFaultForTest(
        [](absl::string_view operation, const std::string&) { return operation == "link" ? fault : 0; });
    const std::string copy = folder / std::to_string(error);
    EXPECT_TRUE(LinkOrCopy(folder / "a", copy).ok());
    EXPECT_EQ(ReadBytes(copy), "weights");
    EXPECT_EQ(std::filesystem::hard_link_count(copy), 1u);
  }
  SetFileFaultForTest(nullptr);
  EXPECT_EQ(LinkOrCopy(folder / "none", folder / "b").code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(LinkOrCopy(folder / "a", folder / "linked").code(), absl::StatusCode::kAlreadyExists);
}

}  // namespace
}  // namespace traind::core
