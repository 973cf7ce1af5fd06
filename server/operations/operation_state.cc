#include "server/operations/operation_state.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace traind::server {
namespace {

using Kind = WorkerExit::Kind;

// "worker 2 of at most 4 was killed by signal 9 (SIGKILL)"
std::string HowItFailed(uint32_t crashes, const WorkerExit& exit, uint32_t max_attempts) {
  const std::string what = exit.kind == Kind::kHung ? "gave no sign of life and was killed" : exit.description;
  return absl::StrCat("worker ", crashes, " of at most ", max_attempts,
                      absl::StartsWith(what, "killed") ? " was " : ": ", what);
}

}  // namespace

OperationVerdict JudgeExit(const internal::OperationRecord& record, const WorkerExit& exit, bool shutting_down,
                           uint32_t max_attempts) {
  if (exit.kind == Kind::kFinished) return {.state = v1::OPERATION_STATE_SUCCEEDED};
  if (exit.kind == Kind::kTaskFailed) return {.state = v1::OPERATION_STATE_FAILED, .error = exit.status};
  if (record.metadata().state() == v1::OPERATION_STATE_CANCELLING) {
    return {.state = v1::OPERATION_STATE_CANCELLED, .error = CancelledByAClient()};
  }
  if (shutting_down) return {.state = v1::OPERATION_STATE_QUEUED, .reason = "the server is shutting down"};
  if (exit.of_machine && absl::IsResourceExhausted(exit.status)) {
    return {.state = v1::OPERATION_STATE_QUEUED, .wait = true, .reason = exit.description};
  }
  const uint32_t crashes = record.crashes() + 1;
  const std::string how = HowItFailed(crashes, exit, max_attempts);
  if (crashes < max_attempts) {
    return {.state = v1::OPERATION_STATE_QUEUED, .crash = true, .reason = absl::StrCat(how, "; the work begins anew")};
  }
  return {.state = v1::OPERATION_STATE_FAILED,
          .error = absl::InternalError(absl::StrCat(
              how, exit.last_log_lines.empty() ? "" : "; its last words: ", absl::StrJoin(exit.last_log_lines, "\n")))};
}

absl::Status CancelledByAClient() { return absl::CancelledError("cancelled by a client"); }

}  // namespace traind::server
