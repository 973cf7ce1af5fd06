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

absl::Status CheckRepeats(const google::protobuf::Message& request) {
  core::FieldErrors::Root errors;
  CheckRepeatedFields(request, errors.scope());
  return errors.ToStatus();
}

}  // namespace

grpc::ServerUnaryReactor* AnswerOn(const Entrance& entrance, grpc::CallbackServerContext* context,
                                   const google::protobuf::Message& request,
                                   std::function<absl::Status(CallContext&)> handler) {
  auto* call = new UnaryCall(*context);
  entrance.executor.Submit([entrance, call, context, &request, handler = std::move(handler)] {
    absl::Status status = Guarded([&] {
      absl::Status admitted = entrance.Admit(call->context, request);
      return admitted.ok() ? CheckRepeats(request) : admitted;
    });
    TellObserver(call->context, *context);
    const LogScope scope(call->context.log_fields());
    if (status.ok()) status = Guarded([&] { return handler(call->context); });
    call->Finish(ToGrpcStatus(status));  // The last touch: OnDone may delete it at once.
  });
  return call;
}

}  // namespace traind::server
