// The life of an operation:
//
//   (new) -> QUEUED -> RUNNING -> SUCCEEDED | FAILED
//              |  ^       |
//              |  '-------+ the worker died, or the server ended: the work begins anew
//              |          v
//              |      CANCELLING -> CANCELLED | SUCCEEDED (it was done just then) | FAILED (it failed just then)
//              v
//          CANCELLED
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "server/workers/worker.h"
#include "traind/internal/operation.pb.h"

namespace traind::server {

// No way leads out of it.
constexpr bool IsDone(v1::OperationState state) {
  return state == v1::OPERATION_STATE_SUCCEEDED || state == v1::OPERATION_STATE_FAILED ||
         state == v1::OPERATION_STATE_CANCELLED;
}

// A worker process has it.
constexpr bool HasWorker(v1::OperationState state) {
  return state == v1::OPERATION_STATE_RUNNING || state == v1::OPERATION_STATE_CANCELLING;
}

struct OperationVerdict {
  v1::OperationState state = v1::OPERATION_STATE_FAILED;  // Where the operation goes.
  absl::Status error = absl::OkStatus();                  // Of a FAILED or CANCELLED one.
  bool crash = false;                                     // It is QUEUED because its worker died, which counts.
  bool wait = false;                                      // It is QUEUED because the machine is short of something.
  std::string reason = "";                                // For the log.
};

// What the end of its worker means for an operation that is RUNNING or CANCELLING. Pure; thread-safe.
OperationVerdict JudgeExit(const internal::OperationRecord& record, const WorkerExit& exit, bool shutting_down,
                           uint32_t max_attempts);

// The error of a cancelled operation.
absl::Status CancelledByAClient();

}  // namespace traind::server
