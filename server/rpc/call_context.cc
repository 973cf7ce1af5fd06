#include "server/rpc/call_context.h"

#include <chrono>

#include "absl/time/clock.h"
#include "spdlog/spdlog.h"

namespace traind::server {
namespace {

// gRPC says "none" with the clock's last moment.
absl::Time DeadlineOf(const grpc::CallbackServerContext& call) {
  const std::chrono::system_clock::time_point deadline = call.deadline();
  return deadline == std::chrono::system_clock::time_point::max() ? absl::InfiniteFuture() : absl::FromChrono(deadline);
}

}  // namespace

CallContext::CallContext(const grpc::CallbackServerContext& call) : CallContext(call.peer(), DeadlineOf(call)) {}

absl::Status CallContext::Check() const {
  return cancellation_.cancelled() || absl::Now() >= deadline_ ? Gone() : absl::OkStatus();
}

absl::Status CallContext::Gone() const {
  return absl::Now() >= deadline_ ? absl::DeadlineExceededError("the caller's deadline has passed")
                                  : absl::CancelledError("the caller has gone");
}

void LogCall(const CallContext& call, const absl::Status& status) {
  const bool fault = absl::IsInternal(status) || absl::IsDataLoss(status) || absl::IsUnknown(status);
  spdlog::log(fault ? spdlog::level::err : spdlog::level::debug, "call from {}: {}", call.peer(),
              status.ToString(absl::StatusToStringMode::kWithNoExtraData));
}

}  // namespace traind::server
