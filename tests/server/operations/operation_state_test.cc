#include "server/operations/operation_state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace traind::server {
namespace {

using Kind = WorkerExit::Kind;

internal::OperationRecord Record(v1::OperationState state, uint32_t crashes = 0) {
  internal::OperationRecord record;
  record.mutable_metadata()->set_state(state);
  record.set_crashes(crashes);
  return record;
}

WorkerExit Exit(Kind kind) {
  WorkerExit exit;
  exit.kind = kind;
  exit.description = "exit code 3";
  if (kind == Kind::kTaskFailed) exit.status = absl::DataLossError("bits");
  return exit;
}

constexpr v1::OperationState kRunning = v1::OPERATION_STATE_RUNNING;
constexpr v1::OperationState kCancelling = v1::OPERATION_STATE_CANCELLING;

TEST(JudgeExit, SaysWhatEveryEndMeans) {
  struct Case {
    v1::OperationState state;
    Kind kind;
    bool shutting_down;
    v1::OperationState verdict;
    bool crash;
  };
  for (const Case& test : {
           Case{kRunning, Kind::kFinished, false, v1::OPERATION_STATE_SUCCEEDED, false},
           Case{kRunning, Kind::kFinished, true, v1::OPERATION_STATE_SUCCEEDED, false},
           Case{kRunning, Kind::kTaskFailed, false, v1::OPERATION_STATE_FAILED, false},
           Case{kRunning, Kind::kTaskFailed, true, v1::OPERATION_STATE_FAILED, false},
           Case{kRunning, Kind::kCrashed, false, v1::OPERATION_STATE_QUEUED, true},
           Case{kRunning, Kind::kHung, false, v1::OPERATION_STATE_QUEUED, true},
           Case{kRunning, Kind::kRejected, false, v1::OPERATION_STATE_QUEUED, true},
           Case{kRunning, Kind::kCrashed, true, v1::OPERATION_STATE_QUEUED, false},
           Case{kCancelling, Kind::kFinished, false, v1::OPERATION_STATE_SUCCEEDED, false},
           Case{kCancelling, Kind::kTaskFailed, false, v1::OPERATION_STATE_FAILED, false},
           Case{kCancelling, Kind::kCrashed, false, v1::OPERATION_STATE_CANCELLED, false},
           Case{kCancelling, Kind::kCrashed, true, v1::OPERATION_STATE_CANCELLED, false},
       }) {
    SCOPED_TRACE(testing::PrintToString(static_cast<int>(test.kind)));
    const OperationVerdict verdict = JudgeExit(Record(test.state), Exit(test.kind), test.shutting_down, 4);
    EXPECT_EQ(verdict.state, test.verdict);
    EXPECT_EQ(verdict.crash, test.crash);
    const bool bad = test.verdict == v1::OPERATION_STATE_FAILED || test.verdict == v1::OPERATION_STATE_CANCELLED;
    EXPECT_EQ(verdict.error.ok(), !bad);
  }
}

TEST(JudgeExit, TheLastCrashFails) {
  EXPECT_EQ(JudgeExit(Record(kRunning, 2), Exit(Kind::kCrashed), false, 4).state, v1::OPERATION_STATE_QUEUED);
  const OperationVerdict verdict = JudgeExit(Record(kRunning, 3), Exit(Kind::kCrashed), false, 4);
  EXPECT_EQ(verdict.state, v1::OPERATION_STATE_FAILED);
  EXPECT_EQ(verdict.error.message(), "worker 4 of at most 4: exit code 3");
}

}  // namespace
}  // namespace traind::server
