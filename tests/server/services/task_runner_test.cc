#include "server/services/task_runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/server/fake_launcher.h"

namespace traind::server {
namespace {

internal::Task Probe() {
  internal::Task task;
  task.mutable_probe();
  return task;
}

bool Killed(FakeLauncher& launcher, size_t n) {
  const auto process = launcher.Await(n);
  absl::MutexLock lock(&process->mu);
  return process->killed;
}

TEST(TaskRunner, EndsATaskWhenTheCallersDeadlineHasPassed) {
  FakeLauncher launcher;
  TaskRunner runner(&launcher, 1);
  CallContext late("test", absl::InfinitePast());
  const absl::Status status = runner.Run(0, Probe(), late).status();
  EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
  EXPECT_TRUE(Killed(launcher, 1));
}

TEST(TaskRunner, EndsATaskWhoseCallerHasGoneAndHasRoomForTheNext) {
  FakeLauncher launcher;
  TaskRunner runner(&launcher, 1);
  for (size_t n : {1, 2}) {
    CallContext gone("test");
    gone.cancellation().Cancel();
    const absl::Status status = runner.Run(0, Probe(), gone).status();
    EXPECT_TRUE(absl::IsCancelled(status)) << status;
    EXPECT_TRUE(Killed(launcher, n));
  }
}

TEST(TaskRunner, RefusesMoreThanItsLimit) {
  FakeLauncher launcher;
  TaskRunner runner(&launcher, 0);
  CallContext call("test");
  EXPECT_TRUE(absl::IsResourceExhausted(runner.Run(0, Probe(), call).status()));
  EXPECT_EQ(launcher.started(), 0u);
}

}  // namespace
}  // namespace traind::server
