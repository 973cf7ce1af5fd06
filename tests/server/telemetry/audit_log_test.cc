#include "server/telemetry/audit_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "nlohmann/json.hpp"
#include "tests/support/bytes.h"
#include "tests/support/temporary_folder.h"

namespace traind::server {
namespace {

using ::testing::HasSubstr;

AuditEntry Entry(const std::string& resource) {
  return {.time = absl::FromUnixSeconds(1'800'000'000),
          .user = "",
          .peer = "ipv4:127.0.0.1:40000",
          .method = "traind.v1.TrainingService/DeleteJob",
          .resource = resource,
          .code = "NOT_FOUND",
          .message = "",
          .traceparent = "",
          .duration = absl::Milliseconds(1.5)};
}

std::vector<std::string> Lines(const std::string& path) {
  return absl::StrSplit(ReadBytes(path), '\n', absl::SkipEmpty());
}

TEST(AuditLog, ALineIsOneObject) {
  const TemporaryFolder folder;
  const std::string path = folder / "audit.log";
  Metrics metrics;
  auto log = AuditLog::Open(path, {}, &metrics);
  ASSERT_TRUE(log.ok()) << log.status();
  AuditEntry entry = Entry("jobs/a\n{\"code\": \"OK\"}\xff");
  entry.message = std::string(10'000, 'x');
  entry.traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  (*log)->Write(entry);
  (*log)->Write(Entry("jobs/b"));
  const std::vector<std::string> lines = Lines(path);
  ASSERT_EQ(lines.size(), 2u) << "what a caller names does not end a line";
  const auto object = nlohmann::json::parse(lines[0], nullptr, /*allow_exceptions=*/false);
  ASSERT_TRUE(object.is_object()) << lines[0];
  EXPECT_EQ(object["time"], "2027-01-15T08:00:00.000000Z");
  EXPECT_EQ(object["peer"], "ipv4:127.0.0.1:40000");
  EXPECT_EQ(object["method"], "traind.v1.TrainingService/DeleteJob");
  EXPECT_EQ(object["resource"], "jobs/a\n{\"code\": \"OK\"}\xef\xbf\xbd");
  EXPECT_EQ(object["code"], "NOT_FOUND");
  EXPECT_EQ(object["duration_ms"], 1.5);
  EXPECT_EQ(object["message"].get<std::string>().size(), 200u);
  EXPECT_EQ(object["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
  struct stat info {};
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST(AuditLog, AStartGoesOnWithTheFile) {
  const TemporaryFolder folder;
  Metrics metrics;
  for (const char* resource : {"jobs/a", "jobs/b"}) {
    auto log = AuditLog::Open(folder / "audit.log", {}, &metrics);
    ASSERT_TRUE(log.ok());
    (*log)->Write(Entry(resource));
  }
  EXPECT_EQ(Lines(folder / "audit.log").size(), 2u);
}

TEST(AuditLog, TheFilesAreBounded) {
  const TemporaryFolder folder;
  Metrics metrics;
  constexpr int64_t kBytes = 10'000;
  auto log = AuditLog::Open(folder / "audit.log", {.file_bytes = kBytes, .files = 3}, &metrics);
  ASSERT_TRUE(log.ok());
  for (int i = 0; i < 1000; ++i) (*log)->Write(Entry("jobs/" + std::to_string(i)));
  int files = 0;
  for (const auto& file : std::filesystem::directory_iterator(folder.path())) {
    ++files;
    EXPECT_LE(file.file_size(), static_cast<uintmax_t>(kBytes)) << file.path();
    struct stat info {};
    ASSERT_EQ(stat(file.path().c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0600u) << file.path();
  }
  EXPECT_EQ(files, 3);
  EXPECT_THAT(Lines(folder / "audit.log").back(), HasSubstr("jobs/999"));
  EXPECT_EQ(metrics.audit_failures.value(), 0);
}

TEST(AuditLog, WhatCannotBeWrittenIsCounted) {
  const TemporaryFolder folder;
  Metrics metrics;
  auto log = AuditLog::Open(folder / "audit.log", {}, &metrics);
  ASSERT_TRUE(log.ok()) << log.status();
  rlimit limit{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &limit), 0);
  signal(SIGXFSZ, SIG_IGN);
  const rlimit nothing{.rlim_cur = 0, .rlim_max = limit.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &nothing), 0);
  (*log)->Write(Entry("jobs/a"));
  setrlimit(RLIMIT_FSIZE, &limit);
  EXPECT_EQ(metrics.audit_failures.value(), 1);
  EXPECT_TRUE(absl::IsInvalidArgument(AuditLog::Open("/proc/none/audit.log", {}, &metrics).status()));
}

// Once upon a time the mode of /dev/null became that of an audit log.
TEST(AuditLog, ADeviceIsNoneAndKeepsItsMode) {
  Metrics metrics;
  for (const char* path : {"/dev/null", "/dev/full", "/tmp"}) {
    struct stat before, after;
    ASSERT_EQ(stat(path, &before), 0);
    EXPECT_TRUE(absl::IsInvalidArgument(AuditLog::Open(path, {}, &metrics).status())) << path;
    ASSERT_EQ(stat(path, &after), 0);
    EXPECT_EQ(before.st_mode, after.st_mode) << path;
  }
}

TEST(AuditLog, LooksAreLeftOutUnlessTheyWereRefused) {
  for (const char* method : {"CreateJob", "DeleteJob", "DownloadCheckpoint", "UploadModel", "Predict", "SetLogLevel"}) {
    EXPECT_TRUE(IsAudited(std::string("traind.v1.AnyService/") + method, "OK")) << method;
  }
  for (const char* method : {"GetJob", "ListJobs", "WatchJob", "WaitOperation", "GetServerInfo"}) {
    EXPECT_FALSE(IsAudited(std::string("traind.v1.AnyService/") + method, "NOT_FOUND")) << method;
    EXPECT_TRUE(IsAudited(std::string("traind.v1.AnyService/") + method, "PERMISSION_DENIED")) << method;
  }
  EXPECT_FALSE(IsAudited("grpc.health.v1.Health/Check", "OK"));
}

}  // namespace
}  // namespace traind::server
