// What a handler knows of its call: who asks, until when the answer is wanted, and whether anybody still waits for it.
// Thread-safe.
#pragma once

#include <grpcpp/grpcpp.h>

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/rpc/cancellation.h"

namespace traind::server {

class CallContext {
 public:
  explicit CallContext(const grpc::CallbackServerContext& call);
  explicit CallContext(std::string peer, absl::Time deadline = absl::InfiniteFuture())
      : peer_(std::move(peer)), deadline_(deadline) {}

  const std::string& peer() const { return peer_; }
  absl::Time deadline() const { return deadline_; }  // InfiniteFuture: the caller waits for as long as it takes.
  Cancellation& cancellation() { return cancellation_; }

  // OK while the caller waits, else Gone.
  absl::Status Check() const;
  // Why nobody waits any more: DEADLINE_EXCEEDED or CANCELLED.
  absl::Status Gone() const;

 private:
  const std::string peer_;
  const absl::Time deadline_;
  Cancellation cancellation_;
};

// Logs how a call ended. Errors of the caller are its own business: only faults of the server are more than debug.
void LogCall(const CallContext& call, const absl::Status& status);

}  // namespace traind::server
