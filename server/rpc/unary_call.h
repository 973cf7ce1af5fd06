// A call with one request and one response, answered on an executor. The reactor owns itself and is deleted when gRPC
// is done with it; request and response live as long.
#pragma once

#include <grpcpp/grpcpp.h>

#include <functional>

#include "absl/status/status.h"
#include "server/rpc/cancellation.h"
#include "server/rpc/executor.h"

namespace traind::server {

// `handler` may block; it is skipped when the caller has gone before its turn, and may look at the cancellation while
// it works.
grpc::ServerUnaryReactor* AnswerOn(Executor& executor, grpc::CallbackServerContext* context,
                                   std::function<absl::Status(Cancellation&)> handler);

// Logs how a call ended. Errors of the caller are its own business: only faults of the server are more than debug.
void LogCall(grpc::CallbackServerContext* context, const absl::Status& status);

}  // namespace traind::server
