// A call with one request and one response, answered on an executor. The reactor owns itself and is deleted when gRPC
// is done with it; request and response live as long.
#pragma once

#include <grpcpp/grpcpp.h>

#include <functional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/protobuf/message.h"
#include "server/rpc/call_context.h"
#include "server/rpc/executor.h"

namespace traind::server {

// `handler` may block. It is skipped when nobody waits any more at its turn; an exception out of it is INTERNAL.
grpc::ServerUnaryReactor* AnswerOn(Executor& executor, grpc::CallbackServerContext* context,
                                   std::function<absl::Status(CallContext&)> handler);
// The same, after a look at how much the request repeats (CheckRepeatedFields): for requests that people make up.
grpc::ServerUnaryReactor* AnswerOn(Executor& executor, grpc::CallbackServerContext* context,
                                   const google::protobuf::Message& request,
                                   std::function<absl::Status(CallContext&)> handler);

// Moves a value into the response, or hands the error on.
template <class T>
absl::Status Give(absl::StatusOr<T> value, T* response) {
  if (!value.ok()) return value.status();
  *response = *std::move(value);
  return absl::OkStatus();
}

}  // namespace traind::server
