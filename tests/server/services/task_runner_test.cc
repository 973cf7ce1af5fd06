#include "server/services/task_runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <thread>

#include "tests/server/fake_launcher.h"

namespace traind::server {
namespace {

constexpr int64_t kGiB = int64_t{1} << 30;

internal::Task Probe(uint32_t threads = 4) {
  internal::Task task;
  task.set_threads(threads);
  task.mutable_probe();
  return task;
}

class TaskRunnerTest : public ::testing::Test {
 protected:
  TaskRunner Runner(int limit) { return {&launcher_, &budget_, Budget::Lane::kCalls, limit}; }
  // Runs the task to its end. What its worker was started with.
  std::shared_ptr<FakeLauncher::Process> Started(int64_t memory_bytes, const internal::Task& task) {
    TaskRunner runner = Runner(1);
    CallContext call("test");
    std::thread running([&] { EXPECT_TRUE(runner.Run(memory_bytes, task, call).ok()); });
    auto process = launcher_.Await(1);
    task_memory_ = budget_.task_memory();
    process->End(WorkerExit::Kind::kFinished);
    running.join();
    return process;
  }
  bool Killed(size_t n) {
    const auto process = launcher_.Await(n);
    absl::MutexLock lock(&process->mu);
    return process->killed;
  }
  // Leaves no thread free.
  void FillServer() { budget_.StartJobs({{.key = 1, .threads = 4, .memory_bytes = kGiB, .has_worker = true}}); }

  FakeLauncher launcher_;
  Budget budget_{{.threads = 4, .memory_bytes = kGiB}};
  int64_t task_memory_ = 0;
};

TEST_F(TaskRunnerTest, GivesATaskWhatIsFreeInTheBackground) {
  const auto process = Started(1000, Probe(99));
  EXPECT_EQ(process->task.threads(), 4u);
  EXPECT_EQ(process->share.memory_bytes, 1000);
  EXPECT_TRUE(process->share.background);
  EXPECT_EQ(task_memory_, 1000);
  EXPECT_EQ(budget_.task_memory(), 0);
}

TEST_F(TaskRunnerTest, TakesATaskThatIsNotCountedForLittleAndLimitsItByTheServer) {
  const auto process = Started(Budget::kNotCounted, Probe());
  EXPECT_EQ(process->share.memory_bytes, kGiB);
  EXPECT_GT(task_memory_, 0);
  EXPECT_LT(task_memory_, kGiB);
}

TEST_F(TaskRunnerTest, GivesATaskOneThreadBesideAJobThatHasAll) {
  FillServer();
  EXPECT_EQ(Started(1000, Probe())->task.threads(), 1u);
  EXPECT_EQ(task_memory_, 0);
}

TEST_F(TaskRunnerTest, StartsNoTaskWhoseCallerDidNotWaitForItsTurn) {
  FillServer();
  const auto in_lane = budget_.Ask({.lane = Budget::Lane::kCalls});
  TaskRunner runner = Runner(1);
  CallContext late("test", absl::InfinitePast());
  EXPECT_TRUE(absl::IsDeadlineExceeded(runner.Run(0, Probe(), late).status()));
  CallContext gone("test");
  gone.cancellation().Cancel();
  EXPECT_TRUE(absl::IsCancelled(runner.Run(0, Probe(), gone).status()));
  EXPECT_EQ(launcher_.started(), 0u);
}

TEST_F(TaskRunnerTest, EndsATaskWhenTheCallersDeadlineHasPassed) {
  TaskRunner runner = Runner(1);
  CallContext late("test", absl::InfinitePast());
  const absl::Status status = runner.Run(0, Probe(), late).status();
  EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
  EXPECT_TRUE(Killed(1));
}

TEST_F(TaskRunnerTest, EndsATaskWhoseCallerHasGoneAndHasRoomForTheNext) {
  TaskRunner runner = Runner(1);
  for (size_t n : {1, 2}) {
    CallContext gone("test");
    gone.cancellation().Cancel();
    const absl::Status status = runner.Run(0, Probe(), gone).status();
    EXPECT_TRUE(absl::IsCancelled(status)) << status;
    EXPECT_TRUE(Killed(n));
  }
}

TEST_F(TaskRunnerTest, RefusesMoreThanItsLimit) {
  TaskRunner runner = Runner(0);
  CallContext call("test");
  EXPECT_TRUE(absl::IsResourceExhausted(runner.Run(0, Probe(), call).status()));
  EXPECT_EQ(launcher_.started(), 0u);
}

}  // namespace
}  // namespace traind::server
