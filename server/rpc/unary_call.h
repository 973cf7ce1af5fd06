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
#include "server/rpc/gate.h"

namespace traind::server {

// `handler` may block. It runs when the entrance's gate has let the call in and the request repeats nothing too often
// (CheckRepeatedFields); it is skipped when nobody waits any more at its turn. An exception out of it is INTERNAL.
grpc::ServerUnaryReactor* AnswerOn(const Entrance& entrance, grpc::CallbackServerContext* context,
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
