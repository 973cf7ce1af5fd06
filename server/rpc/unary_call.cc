#include "server/rpc/unary_call.h"

#include <memory>
#include <utility>

#include "server/rpc/status.h"
#include "spdlog/spdlog.h"

namespace traind::server {
namespace {

class UnaryCall : public grpc::ServerUnaryReactor {
 public:
  void OnCancel() override { cancellation.Cancel(); }
  void OnDone() override { delete this; }

  Cancellation cancellation;
};

}  // namespace

void LogCall(grpc::CallbackServerContext* context, const absl::Status& status) {
  const bool fault = absl::IsInternal(status) || absl::IsDataLoss(status) || absl::IsUnknown(status);
  spdlog::log(fault ? spdlog::level::err : spdlog::level::debug, "call from {}: {}", context->peer(),
              status.ToString(absl::StatusToStringMode::kWithNoExtraData));
}

grpc::ServerUnaryReactor* AnswerOn(Executor& executor, grpc::CallbackServerContext* context,
                                   std::function<absl::Status(Cancellation&)> handler) {
  auto* call = new UnaryCall;
  executor.Submit([call, context, handler = std::move(handler)] {
    absl::Status status = absl::CancelledError("the caller has gone");
    if (!call->cancellation.cancelled()) status = handler(call->cancellation);
    LogCall(context, status);
    call->Finish(ToGrpcStatus(status));  // The last touch: OnDone may delete it at once.
  });
  return call;
}

}  // namespace traind::server
