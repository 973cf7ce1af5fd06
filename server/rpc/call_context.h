// What a handler knows of its call: who asks, until when the answer is wanted, and whether anybody still waits for it.
// Thread-safe.
#pragma once

#include <grpcpp/grpcpp.h>

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/resources/caller.h"
#include "server/rpc/cancellation.h"
#include "server/telemetry/log_scope.h"

namespace traind::server {

// What a caller shows for itself.
struct CallerCredentials {
  std::string authorization = "";     // The header; empty: none. Several are joined, and so no token.
  std::string certificate_name = "";  // Common name of its certificate, which TLS has verified; empty: it has none.
};

class CallContext {
 public:
  explicit CallContext(const grpc::CallbackServerContext& call);
  explicit CallContext(std::string peer, absl::Time deadline = absl::InfiniteFuture(),
                       CallerCredentials credentials = {}, std::string traceparent = "");

  const std::string& peer() const { return peer_; }
  // By the clock as it stands now; InfiniteFuture: the caller waits for as long as it takes. A wait for it may end
  // early when the clock is set: Check knows better.
  absl::Time deadline() const;
  const CallerCredentials& credentials() const { return credentials_; }
  // Known once the call was admitted.
  const Caller& caller() const { return caller_; }
  void set_caller(Caller caller) { caller_ = std::move(caller); }
  // Keeps what counts for as long as the call, a place among its caller's streams. Before others see the call.
  void Keep(std::shared_ptr<void> ticket) { ticket_ = std::move(ticket); }
  // What the lines in the log carry that are about this call (LogScope); of who makes it once it was admitted.
  LogFields log_fields() const { return {.traceparent = traceparent_, .user = caller_.user}; }
  Cancellation& cancellation() { return cancellation_; }

  // OK while the caller waits, else Gone.
  absl::Status Check() const;
  // Why nobody waits any more: DEADLINE_EXCEEDED or CANCELLED.
  absl::Status Gone() const;

 private:
  const std::string peer_;
  const absl::Duration deadline_;  // On the steady clock, which nobody sets.
  const CallerCredentials credentials_;
  const std::string traceparent_;
  Caller caller_;
  std::shared_ptr<void> ticket_;
  Cancellation cancellation_;
};

// Tells who makes the call to whoever observes it (CallObserver), on another thread perhaps: in a trailer, which the
// observer takes out before it is sent. After the call was admitted, before its Finish.
void TellObserver(const CallContext& context, grpc::ServerContextBase& call);
// The same in the trailers, from which it is taken out; empty: nobody was told of.
std::string TakeCaller(std::multimap<std::string, std::string>& trailers);

// The W3C trace context in the metadata `traceparent` of a call; empty where there is none, or no sound one.
std::string TraceparentOf(const grpc::ServerContextBase& call);

}  // namespace traind::server
