// The one place that every call passes before its handler runs: unary calls (AnswerOn), streams (StreamCall), uploads
// (UploadCall) and waits alike. gRPC has none: an interceptor cannot refuse a call of the callback API, and an
// AuthMetadataProcessor ends the process on a port without TLS.
#pragma once

#include "absl/status/status.h"
#include "google/protobuf/message.h"
#include "server/rpc/call_context.h"
#include "server/rpc/executor.h"

namespace traind::server {

// Thread-safe.
class Gate {
 public:
  virtual ~Gate() = default;
  // Whether the call goes on; then `call` knows its caller. The method is the one that takes a message of the request's
  // type; of an upload the request is its header. May block on the disk.
  virtual absl::Status Admit(CallContext& call, const google::protobuf::Message& request) const = 0;
};

// Where the calls of a kind come in: past a gate, to the threads that work for them. Both outlive the calls.
struct Entrance {
  // Without a gate everybody is let in, as an administrator: for tests.
  Entrance(Executor& threads, const Gate* guard = nullptr)  // NOLINT(google-explicit-constructor)
      : executor(threads), gate(guard) {}

  // OK while the caller waits and may make the call.
  absl::Status Admit(CallContext& call, const google::protobuf::Message& request) const {
    if (absl::Status status = call.Check(); !status.ok() || gate == nullptr) return status;
    return gate->Admit(call, request);
  }

  Executor& executor;
  const Gate* gate;
};

}  // namespace traind::server
