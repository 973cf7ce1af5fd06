// The middle layer of the client: deadlines and retries around the stub. Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_format.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "client/client.h"
#include "client/retry.h"
#include "client/stub.h"

namespace traind::client {

// Whether a stream ended because of the connection rather than by the server's decision. A server that shuts down ends
// its streams with CANCELLED.
inline bool IsBroken(const absl::Status& status) { return IsRetryable(status) || absl::IsCancelled(status); }

// 128 random bits: two calls never share them.
inline std::string NewRequestId() {
  std::random_device device;
  return absl::StrFormat("%08x%08x%08x%08x", device(), device(), device(), device());
}

class Connection {
 public:
  template <typename Request, typename Response>
  using Method = absl::StatusOr<Response> (Stub::*)(const Request&, absl::Time);

  explicit Connection(ClientOptions options)
      : options_(std::move(options)), stub_(options_.server, options_.credentials), seed_(std::random_device()()) {}

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

  // Waits before another try of what broke, until `interrupt` (may be null) at the longest; the error to return when
  // there is none.
  absl::Status WaitAfter(const absl::Status& failure, Backoff& backoff, const absl::Notification* interrupt = nullptr) {
    if (!IsBroken(failure)) return failure;
    const std::optional<absl::Duration> delay = backoff.Next(failure);
    if (!delay) return failure;
    if (options_.on_retry) options_.on_retry(failure, *delay);
    options_.clock->Sleep(*delay, interrupt);
    return absl::OkStatus();
  }

  const ClientOptions& options() const { return options_; }
  Stub& stub() { return stub_; }
  uint64_t NextSeed() { return seed_++; }

 private:
  const ClientOptions options_;
  Stub stub_;
  std::atomic<uint64_t> seed_;
};

}  // namespace traind::client
