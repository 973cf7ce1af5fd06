// The middle layer of the client: deadlines and retries around the stub. Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <random>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/client.h"
#include "client/retry.h"
#include "client/stub.h"

namespace traind::client {

class Connection {
 public:
  template <typename Request, typename Response>
  using Method = absl::StatusOr<Response> (Stub::*)(const Request&, absl::Time);

  explicit Connection(ClientOptions options)
      : options_(std::move(options)), stub_(options_.server), seed_(std::random_device()()) {}

  // One call that is safe to repeat.
  template <typename Request, typename Response>
  absl::StatusOr<Response> Idempotent(Method<Request, Response> method, const Request& request,
                                      absl::Duration timeout) {
    const absl::Time deadline = options_.clock->Now() + timeout;
    absl::StatusOr<Response> response;
    const absl::Status status = Retry(
        options_.call_retry, NextSeed(), *options_.clock, deadline,
        [&] {
          response = (stub_.*method)(request, deadline);
          return response.status();
        },
        options_.on_retry);
    if (!status.ok()) return status;
    return response;
  }

  // One call that is made at most once.
  template <typename Request, typename Response>
  absl::StatusOr<Response> Once(Method<Request, Response> method, const Request& request, absl::Duration timeout) {
    return (stub_.*method)(request, options_.clock->Now() + timeout);
  }

  const ClientOptions& options() const { return options_; }
  Stub& stub() { return stub_; }
  uint64_t NextSeed() { return seed_++; }

 private:
  const ClientOptions options_;
  Stub stub_;
  std::atomic<uint64_t> seed_;
};

// Whether a stream ended because of the connection rather than by the server's decision. A server that shuts down ends
// its streams with CANCELLED.
inline bool IsBroken(const absl::Status& status) { return IsRetryable(status) || absl::IsCancelled(status); }

}  // namespace traind::client
