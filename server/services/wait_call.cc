#include "server/services/wait_call.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/time/clock.h"
#include "server/resources/names.h"
#include "server/rpc/call_context.h"
#include "server/rpc/guarded.h"
#include "server/rpc/status.h"

namespace traind::server {
namespace {

// As operation.proto says, of a call without a deadline.
constexpr absl::Duration kLongestWait = absl::Minutes(1);
// The answer is on its way before the caller's deadline.
constexpr absl::Duration kWayBack = absl::Milliseconds(100);

class WaitCall final : public grpc::ServerUnaryReactor {
 public:
  WaitCall(std::shared_ptr<CallContext> context, v1::Operation* response)
      : context_(std::move(context)), response_(response) {}
  void OnCancel() override { context_->cancellation().Cancel(); }
  void OnDone() override { delete this; }

  void End(absl::StatusOr<v1::Operation> operation) {
    const grpc::Status status = ToGrpcStatus(operation.status());
    if (operation.ok()) *response_ = *std::move(operation);
    Finish(status);  // The last touch: OnDone may delete this at once.
  }

 private:
  const std::shared_ptr<CallContext> context_;
  v1::Operation* const response_;
};

// Until when to wait, at most.
absl::StatusOr<absl::Time> EndOf(const v1::WaitOperationRequest& request, const CallContext& call) {
  const absl::Duration timeout =
      absl::Seconds(request.timeout().seconds()) + absl::Nanoseconds(request.timeout().nanos());
  if (timeout < absl::ZeroDuration()) return FieldError("timeout", "must not be negative");
  const absl::Time now = absl::Now();
  const bool patient = call.deadline() == absl::InfiniteFuture();
  const absl::Time longest = patient ? now + kLongestWait : call.deadline() - kWayBack;
  return request.has_timeout() ? std::min(now + timeout, longest) : longest;
}

}  // namespace

grpc::ServerUnaryReactor* WaitOperation(const Entrance& entrance, OperationManager& operations,
                                        grpc::CallbackServerContext* context, const v1::WaitOperationRequest& request,
                                        v1::Operation* response) {
  // Outlives the reactor, which the answer may delete before Wait returns.
  auto call = std::make_shared<CallContext>(*context);
  auto* reactor = new WaitCall(call, response);
  entrance.executor.Submit([entrance, context, &operations, &request, call, reactor] {
    const absl::Status admitted = Guarded([&] { return entrance.Admit(*call, request); });
    TellObserver(*call, *context);
    if (!admitted.ok()) return reactor->End(admitted);
    auto id = ParseName("operations", request.name(), "name");
    auto end = EndOf(request, *call);
    if (!id.ok() || !end.ok()) return reactor->End(id.ok() ? end.status() : id.status());
    const OperationManager::WaitId wait = operations.Wait(
        *id, *end, [reactor](absl::StatusOr<v1::Operation> operation) { reactor->End(std::move(operation)); });
    call->cancellation().OnCancel([&operations, wait] { operations.StopWaiting(wait); });
  });
  return reactor;
}

}  // namespace traind::server
