#include "server/store/upload_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/support/temporary_folder.h"

namespace traind::server {
namespace {

TEST(UploadStore, NothingThatIsBeingWrittenIsRemoved) {
  TemporaryFolder path;
  auto folder = DataFolder::Open(path.path());
  ASSERT_TRUE(folder.ok()) << folder.status();
  UploadStore uploads(folder->get());
  v1::UploadHeader header;
  header.set_upload_id("half");
  header.set_size_bytes(10);
  header.set_crc32("00000000");
  {
    auto sink = uploads.Begin(header);
    ASSERT_TRUE(sink.ok()) << sink.status();
    ASSERT_TRUE((*sink)->Write("12345").ok());
    EXPECT_TRUE(absl::IsAborted(uploads.Delete("half", "")));
  }
  const auto upload = uploads.Get("half");
  ASSERT_TRUE(upload.ok()) << upload.status();
  EXPECT_EQ(upload->committed_bytes(), 5);
  ASSERT_TRUE(uploads.Delete("half", "").ok());
  EXPECT_TRUE(absl::IsNotFound(uploads.Get("half").status()));
  // A crash at the very beginning leaves the folder alone.
  std::filesystem::create_directory((*folder)->Item("uploads", "bare"));
  EXPECT_TRUE(uploads.Delete("bare", "").ok());
  EXPECT_TRUE(absl::IsNotFound(uploads.Delete("bare", "")));
}

}  // namespace
}  // namespace traind::server
