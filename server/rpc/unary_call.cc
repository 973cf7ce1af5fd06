#include "server/rpc/unary_call.h"

#include <utility>

#include "core/base/errors.h"
#include "server/resources/request_bounds.h"
#include "server/rpc/guarded.h"
#include "server/rpc/status.h"

namespace traind::server {
namespace {

class UnaryCall : public grpc::ServerUnaryReactor {
 public:
  explicit UnaryCall(const grpc::CallbackServerContext& call) : context(call) {}
  void OnCancel() override { context.cancellation().Cancel(); }
  void OnDone() override { delete this; }

  CallContext context;
};

}  // namespace

grpc::ServerUnaryReactor* AnswerOn(Executor& executor, grpc::CallbackServerContext* context,
                                   std::function<absl::Status(CallContext&)> handler) {
  auto* call = new UnaryCall(*context);
  executor.Submit([call, handler = std::move(handler)] {
    absl::Status status = call->context.Check();
    if (status.ok()) status = Guarded([&] { return handler(call->context); });
    LogCall(call->context, status);
    call->Finish(ToGrpcStatus(status));  // The last touch: OnDone may delete it at once.
  });
  return call;
}

grpc::ServerUnaryReactor* AnswerOn(Executor& executor, grpc::CallbackServerContext* context,
                                   const google::protobuf::Message& request,
                                   std::function<absl::Status(CallContext&)> handler) {
  return AnswerOn(executor, context, [&request, handler = std::move(handler)](CallContext& call) -> absl::Status {
    core::FieldErrors::Root errors;
    CheckRepeatedFields(request, errors.scope());
    return errors.ok() ? handler(call) : errors.ToStatus();
  });
}

}  // namespace traind::server
