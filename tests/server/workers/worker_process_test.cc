// WorkerProcess against fake_worker_main.cc: a real process that does whatever a worker must not do.
#include "server/workers/worker_process.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/wire/channel.h"
#include "server/workers/spawn.h"
#include "tests/paths.h"

namespace traind::server {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;
using ::testing::Not;
using ::testing::StartsWith;

// Long enough that no test reaches it on a busy machine; tests that want a timeout set their own.
constexpr absl::Duration kNever = absl::Minutes(5);

// Runs one fake worker and remembers what it did.
class Attempt {
 public:
  explicit Attempt(const std::string& behavior, WorkerOptions options = {.heartbeat_timeout = kNever},
                   absl::Status store_result = absl::OkStatus()) {
    options.program = ProgramPath("traind-fake-worker");
    internal::Task task;
    task.set_threads(2);
    task.mutable_train()->set_job(behavior);
    auto started = WorkerProcess::Start(options, task,
                                        {.on_events =
                                             [this, store_result](std::vector<v1::Event> batch) {
                                               absl::MutexLock lock(&mutex_);
                                               if (exits_ > 0) return absl::InternalError("events after the exit");
                                               EXPECT_FALSE(batch.empty());
                                               ++batches_;
                                               for (v1::Event& event : batch) steps_.push_back(event.step());
                                               return store_result;
                                             },
                                         .on_heartbeat =
                                             [this](uint64_t step) {
                                               absl::MutexLock lock(&mutex_);
                                               heartbeat_ = step;
                                             },
                                         .on_waits =
                                             [this](const std::string& what) {
                                               absl::MutexLock lock(&mutex_);
                                               waits_.push_back(what);
                                             },
                                         .on_progress =
                                             [this](const v1::OperationProgress& progress) {
                                               absl::MutexLock lock(&mutex_);
                                               progress_ = progress;
                                             },
                                         .on_log =
                                             [this](std::string_view line) {
                                               absl::MutexLock lock(&mutex_);
                                               log_.emplace_back(line);
                                             },
                                         .on_exit =
                                             [this](const WorkerExit& exit) {
                                               absl::MutexLock lock(&mutex_);
                                               if (++exits_ > 1) return;
                                               exit_ = exit;
                                               exited_.Notify();
                                             }});
    EXPECT_TRUE(started.ok()) << started.status();
    if (started.ok()) process_ = *std::move(started);
  }
  ~Attempt() {
    process_.reset();
    absl::MutexLock lock(&mutex_);
    EXPECT_EQ(exits_, 1);
  }

  WorkerProcess& process() { return *process_; }
  // Waits until `condition`, which looks at what the members below give.
  void Await(const std::function<bool()>& condition) {
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(&condition));
  }
  const WorkerExit& exit() {
    exited_.WaitForNotification();
    return exit_;
  }
  // After exit(), or within Await.
  const std::vector<uint64_t>& steps() const { return steps_; }
  const std::vector<std::string>& log() const { return log_; }
  uint64_t heartbeat() const { return heartbeat_; }
  const std::vector<std::string>& waits() const { return waits_; }
  const v1::OperationProgress& progress() const { return progress_; }
  int batches() const { return batches_; }

 private:
  absl::Mutex mutex_;
  std::vector<uint64_t> steps_;
  std::vector<std::string> log_;
  uint64_t heartbeat_ = 0;
  std::vector<std::string> waits_;
  v1::OperationProgress progress_;
  int batches_ = 0;
  int exits_ = 0;
  WorkerExit exit_;
  absl::Notification exited_;
  std::unique_ptr<WorkerProcess> process_;  // Last: its callbacks use the rest.
};

std::vector<uint64_t> OneTo(uint64_t n) {
  std::vector<uint64_t> steps;
  for (uint64_t step = 1; step <= n; ++step) steps.push_back(step);
  return steps;
}

TEST(WorkerProcess, DeliversEventsAcknowledgesThemAndFinishes) {
  Attempt run("finish");
  EXPECT_EQ(run.exit().kind, WorkerExit::Kind::kFinished) << run.exit().status;
  EXPECT_TRUE(run.exit().status.ok());
  EXPECT_EQ(run.exit().result.step(), 3u);
  EXPECT_EQ(run.exit().description, "exit code 0");
  EXPECT_THAT(run.steps(), ElementsAre(1, 2, 3));
}

TEST(WorkerProcess, KeepsTheOrderAndGroupsWhatArrivedTogether) {
  Attempt run("many events");
  EXPECT_EQ(run.exit().kind, WorkerExit::Kind::kFinished) << run.exit().status;
  EXPECT_EQ(run.steps(), OneTo(5000));
  EXPECT_LT(run.batches(), 5000);
}

TEST(WorkerProcess, DeliversWhatWasSentBeforeACrash) {
  Attempt run("end without reading");
  EXPECT_EQ(run.exit().kind, WorkerExit::Kind::kCrashed);
  EXPECT_EQ(run.steps(), OneTo(500));
}

TEST(WorkerProcess, AFailedTaskKeepsItsStatus) {
  Attempt run("task fails");
  EXPECT_EQ(run.exit().kind, WorkerExit::Kind::kTaskFailed);
  EXPECT_EQ(run.exit().status, absl::AbortedError("the loss is no longer finite"));
  EXPECT_EQ(run.exit().result.step(), 7u);
}

TEST(WorkerProcess, ReportsHeartbeats) {
  Attempt run("heartbeats");
  EXPECT_EQ(run.exit().kind, WorkerExit::Kind::kFinished) << run.exit().status;
  EXPECT_EQ(run.heartbeat(), 3u);
  EXPECT_EQ(run.waits(), (std::vector<std::string>{"room", ""}));
}

TEST(WorkerProcess, ReportsProgress) {
  Attempt run("progress");
  EXPECT_EQ(run.exit().kind, WorkerExit::Kind::kFinished) << run.exit().status;
  EXPECT_EQ(run.progress().done(), 3);
  EXPECT_EQ(run.progress().unit(), "bytes");
}

TEST(WorkerProcess, ACrashNamesTheSignalAndTheLastWords) {
  Attempt run("abort");
  EXPECT_EQ(run.exit().kind, WorkerExit::Kind::kCrashed);
  EXPECT_EQ(run.exit().status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(run.exit().description, "killed by signal 6 (SIGABRT)");
  EXPECT_THAT(std::string(run.exit().status.message()), HasSubstr(run.exit().description));
  EXPECT_THAT(run.exit().last_log_lines, ElementsAre("about to ? abort", "last words"));
  EXPECT_EQ(run.log(), run.exit().last_log_lines);
}

TEST(WorkerProcess, AnEndWithoutAResultIsACrashWhateverTheCode) {
  Attempt three("exit 3");
  EXPECT_EQ(three.exit().kind, WorkerExit::Kind::kCrashed);
  EXPECT_EQ(three.exit().description, "exit code 3");
  Attempt zero("exit 0");
  EXPECT_EQ(zero.exit().kind, WorkerExit::Kind::kCrashed);
  EXPECT_EQ(zero.exit().description, "exit code 0");
}

TEST(WorkerProcess, NoSignOfLifeIsAHang) {
  Attempt run("hang", {.heartbeat_timeout = absl::Milliseconds(50)});
  EXPECT_EQ(run.exit().kind, WorkerExit::Kind::kHung);
  EXPECT_EQ(run.exit().status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(run.exit().description, "killed by signal 9 (SIGKILL)");
}

TEST(WorkerProcess, PrintingIsNoSignOfLife) {
  Attempt run("print and hang", {.heartbeat_timeout = absl::Milliseconds(50)});
  EXPECT_EQ(run.exit().kind, WorkerExit::Kind::kHung);
}

TEST(WorkerProcess, WhatIsNoMessageEndsTheWorker) {
  for (const char* behavior : {"garbage", "not a message", "empty message", "event after the result"}) {
    Attempt run(behavior);
    EXPECT_EQ(run.exit().kind, WorkerExit::Kind::kCrashed) << behavior;
    EXPECT_EQ(run.exit().status.code(), absl::StatusCode::kUnavailable) << behavior;
    EXPECT_THAT(run.exit().description, StartsWith("the worker sent what is no message: ")) << behavior;
    EXPECT_THAT(run.exit().description, Not(HasSubstr("message: the worker"))) << behavior;
    EXPECT_EQ(run.exit().status.message(), run.exit().description) << behavior;
    EXPECT_THAT(run.steps(), IsEmpty()) << behavior;
  }
}

TEST(WorkerProcess, HalfAMessageIsACrash) {
  Attempt run("half a message");
  EXPECT_EQ(run.exit().kind, WorkerExit::Kind::kCrashed);
  EXPECT_EQ(run.exit().description, "exit code 0");
}

TEST(WorkerProcess, AClosedSocketEndsTheWorkerAfterTheGrace) {
  Attempt run("close the socket", {.heartbeat_timeout = kNever, .exit_grace = absl::Milliseconds(20)});
  EXPECT_EQ(run.exit().kind, WorkerExit::Kind::kCrashed);
  EXPECT_EQ(run.exit().description, "the worker closed its socket without a result");
}

TEST(WorkerProcess, AResultCountsHoweverTheProcessEnds) {
  Attempt hanging("result and hang", {.heartbeat_timeout = kNever, .exit_grace = absl::Milliseconds(20)});
  EXPECT_EQ(hanging.exit().kind, WorkerExit::Kind::kFinished);
  EXPECT_EQ(hanging.exit().description, "killed by signal 9 (SIGKILL)");
  Attempt aborting("result and abort");
  EXPECT_EQ(aborting.exit().kind, WorkerExit::Kind::kFinished);
  EXPECT_EQ(aborting.exit().description, "killed by signal 6 (SIGABRT)");
}

TEST(WorkerProcess, AFloodOfLinesKeepsTheLastOnes) {
  Attempt run("flood");
  EXPECT_EQ(run.exit().kind, WorkerExit::Kind::kFinished) << run.exit().status;
  ASSERT_EQ(run.exit().last_log_lines.size(), size_t{kLastLogLines});
  EXPECT_EQ(run.exit().last_log_lines.back(), "line 99999");
  EXPECT_EQ(run.log().size(), 100'000u);
}

TEST(WorkerProcess, AnEventThatIsNotStoredEndsTheWorker) {
  Attempt run("finish", {.heartbeat_timeout = kNever}, absl::DataLossError("the replay differs"));
  EXPECT_EQ(run.exit().kind, WorkerExit::Kind::kRejected);
  EXPECT_EQ(run.exit().status, absl::DataLossError("the replay differs"));
  EXPECT_EQ(run.batches(), 1);
}

TEST(WorkerProcess, AStopComesThroughAfterTheWishToFinish) {
  Attempt run("await two stops");
  run.process().Stop(internal::Stop::REASON_FINISH);
  run.process().Stop(internal::Stop::REASON_FINISH);
  run.Await([&] { return run.heartbeat() == internal::Stop::REASON_FINISH; });
  run.process().Stop(internal::Stop::REASON_CANCEL);
  EXPECT_EQ(run.exit().kind, WorkerExit::Kind::kStopped) << run.exit().status;
  EXPECT_EQ(run.exit().result.step(), static_cast<uint64_t>(internal::Stop::REASON_CANCEL));
}

TEST(WorkerProcess, StopIsHeardOnceWithItsReason) {
  Attempt run("await stop");
  run.process().Stop(internal::Stop::REASON_SHUTDOWN);
  run.process().Stop(internal::Stop::REASON_CANCEL);
  EXPECT_EQ(run.exit().kind, WorkerExit::Kind::kStopped) << run.exit().status;
  EXPECT_EQ(run.exit().result.step(), static_cast<uint64_t>(internal::Stop::REASON_SHUTDOWN));
}

TEST(WorkerProcess, KillEndsItAtOnce) {
  Attempt run("event and hang");
  run.Await([&] { return run.steps().size() == 1; });
  EXPECT_EQ(kill(run.process().pid(), 0), 0);
  run.process().Kill();
  EXPECT_EQ(run.exit().kind, WorkerExit::Kind::kCrashed);
  EXPECT_EQ(run.exit().description, "killed by signal 9 (SIGKILL)");
  run.process().Kill();  // Harmless.
  run.process().Stop(internal::Stop::REASON_CANCEL);
}

TEST(WorkerProcess, TheDestructorLeavesNoProcess) {
  pid_t pid = -1;
  {
    Attempt run("hang");
    pid = run.process().pid();
    EXPECT_EQ(kill(pid, 0), 0);
  }
  EXPECT_EQ(kill(pid, 0), -1);
  EXPECT_EQ(errno, ESRCH);
}

TEST(WorkerProcess, InheritsNothingButItsSocketAndGetsItsShare) {
  const int leaky = open("/dev/null", O_RDONLY);  // NOLINT(android-cloexec-open): what a library might leave open.
  ASSERT_GE(leaky, 0);
  cpu_set_t ours;
  ASSERT_EQ(sched_getaffinity(0, sizeof(ours), &ours), 0);
  int cpu = 0;
  while (!CPU_ISSET(cpu, &ours)) ++cpu;
  const int nice = getpriority(PRIO_PROCESS, 0);
  Attempt run("report",
              {.heartbeat_timeout = kNever, .cpus = {cpu}, .memory_limit_bytes = int64_t{1} << 46, .nice = 1});
  EXPECT_EQ(run.exit().kind, WorkerExit::Kind::kFinished) << run.exit().status;
  close(leaky);
  std::vector<std::string> fds;
  std::vector<std::string> rest;
  for (const std::string& line : run.log()) (line.rfind("fd ", 0) == 0 ? fds : rest).push_back(line);
  EXPECT_THAT(fds, ::testing::UnorderedElementsAre("fd 0", "fd 1", "fd 2", "fd 3"));
  EXPECT_THAT(rest, ElementsAre("cpu " + std::to_string(cpu), "nice " + std::to_string(std::min(nice + 1, 19)),
                                absl::StrCat("limit ", int64_t{1} << 46), "own group 1", "threads 2"));
  cpu_set_t after;
  ASSERT_EQ(sched_getaffinity(0, sizeof(after), &after), 0);
  EXPECT_TRUE(CPU_EQUAL(&ours, &after)) << "the caller lost CPUs";
  EXPECT_EQ(getpriority(PRIO_PROCESS, 0), nice) << "the caller lost priority";
}

#ifndef TRAIND_SANITIZED  // Whose shadow memory is larger than any limit.
TEST(WorkerProcess, TheMemoryLimitHolds) {
  Attempt run("allocate", {.heartbeat_timeout = kNever, .memory_limit_bytes = int64_t{256} << 20});
  EXPECT_EQ(run.exit().kind, WorkerExit::Kind::kFinished) << run.exit().status;
  EXPECT_THAT(run.log(), ElementsAre("allocated 0"));
}
#endif

// Each worker's socket is its own: the end of one is seen although others, started later, live on.
TEST(WorkerProcess, ManyAtOnce) {
  std::vector<std::unique_ptr<Attempt>> waiting;
  for (int i = 0; i < 8; ++i) waiting.push_back(std::make_unique<Attempt>("await stop"));
  Attempt finishing("finish");
  EXPECT_EQ(finishing.exit().kind, WorkerExit::Kind::kFinished);
  for (auto& run : waiting) run->process().Stop(internal::Stop::REASON_CANCEL);
  for (auto& run : waiting) EXPECT_EQ(run->exit().kind, WorkerExit::Kind::kStopped) << run->exit().status;
}

TEST(WorkerProcessStart, NamesTheProgramThatIsNotThere) {
  const auto started = WorkerProcess::Start({.program = "/nonexistent/traind-worker"}, {}, {});
  EXPECT_EQ(started.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(started.status().message()), HasSubstr("/nonexistent/traind-worker"));
}

TEST(WorkerProcessStart, RefusesACpuThatIsNotThere) {
  const std::string program = ProgramPath("traind-fake-worker");
  for (int cpu : {-1, CPU_SETSIZE - 1, CPU_SETSIZE}) {
    const auto started = WorkerProcess::Start({.program = program, .cpus = {cpu}}, {}, {});
    EXPECT_EQ(started.status().code(), absl::StatusCode::kInvalidArgument) << cpu;
  }
}

TEST(WorkerProcessStart, RefusesATaskThatFitsNoFrame) {
  internal::Task task;
  task.set_dataset_dir(std::string(kLargestFrame + 1, 'x'));
  const auto started = WorkerProcess::Start({.program = ProgramPath("traind-fake-worker")}, task, {});
  EXPECT_EQ(started.status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(WorkerEnvironment, KeepsWhatTheProgramIsLoadedWithAndNothingElse) {
  const std::vector<const char*> ours = {"PATH=/bin",      "AWS_SECRET_ACCESS_KEY=x",  "TRAIND_DATA_DIR=/data",
                                         "DNNL_VERBOSE=1", "LD_LIBRARY_PATH=/opt/lib", "OMP_NUM_THREADS=64",
                                         nullptr};
  const auto theirs = WorkerEnvironment(ours.data(), 2);
  EXPECT_THAT(theirs, IsSupersetOf({"LD_LIBRARY_PATH=/opt/lib", "DNNL_VERBOSE=1", "OMP_NUM_THREADS=2"}));
  for (const char* dropped : {"PATH=", "AWS_", "TRAIND_"}) EXPECT_THAT(theirs, Not(Contains(StartsWith(dropped))));
}

}  // namespace
}  // namespace traind::server
