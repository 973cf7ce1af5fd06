#include "server/workers/process_launcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "tests/paths.h"

#ifndef TRAIND_SANITIZED  // A sanitizer's shadow memory is larger than any limit that a worker gets.
namespace traind::server {
namespace {

using ::testing::Contains;

// What a worker prints that got this share.
std::vector<std::string> ReportOf(const WorkerShare& share) {
  ProcessLauncher launcher({.program = ProgramPath("traind-fake-worker"), .heartbeat_timeout = absl::Minutes(5)});
  internal::Task task;
  task.mutable_train()->set_job("report");
  std::vector<std::string> lines;
  absl::Notification ended;
  WorkerCallbacks callbacks;
  callbacks.on_log = [&](std::string_view line) { lines.emplace_back(line); };
  callbacks.on_exit = [&](const WorkerExit&) { ended.Notify(); };
  const auto worker = launcher.Start(share, task, std::move(callbacks));
  EXPECT_TRUE(worker.ok()) << worker.status();
  ended.WaitForNotification();
  return lines;
}

TEST(ProcessLauncher, GivesTheBackgroundTheLowestPriority) {
  EXPECT_THAT(ReportOf({.background = true}), Contains("nice 19"));
  EXPECT_THAT(ReportOf({}), Contains(absl::StrCat("nice ", getpriority(PRIO_PROCESS, 0))));
}

TEST(ProcessLauncher, LimitsMemoryFarAboveWhatWasAdmitted) {
  constexpr int64_t kGiB = int64_t{1} << 30;
  EXPECT_THAT(ReportOf({.memory_bytes = kGiB}), Contains(absl::StrCat("limit ", 3 * kGiB)));
}

}  // namespace
}  // namespace traind::server
#endif
