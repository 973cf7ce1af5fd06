// The port for those who watch over the server: what it counts, whether it lives, whether it is ready. HTTP/1.1 by
// libmicrohttpd, GET and HEAD only. Each connection has a thread of its own, so that numbers that wait for a disk keep
// no probe from its answer. Bounded: connections, those of one address, the bytes of a request, and the time that a
// connection may be silent. Thread-safe.
//
//   /metrics   what Prometheus reads
//   /healthz   200 while the process answers at all: whoever gets none may start it anew
//   /readyz    200 while new work is begun, else 503 with the reason in its text
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

struct MHD_Daemon;

namespace traind::server {

class HttpEndpoint {
 public:
  // What is asked, by several threads at a time.
  struct Answers {
    std::function<std::string()> metrics;
    std::function<absl::Status()> ready;
  };

  // Listens on "host:port"; port 0 takes a free one. INVALID_ARGUMENT: there is no such address. UNAVAILABLE: it cannot
  // be had.
  static absl::StatusOr<std::unique_ptr<HttpEndpoint>> Start(const std::string& address, Answers answers);
  // Answers what is under way.
  ~HttpEndpoint();
  HttpEndpoint(const HttpEndpoint&) = delete;
  HttpEndpoint& operator=(const HttpEndpoint&) = delete;

  int port() const { return port_; }
  const Answers& answers() const { return answers_; }

 private:
  explicit HttpEndpoint(Answers answers) : answers_(std::move(answers)) {}

  const Answers answers_;
  MHD_Daemon* daemon_ = nullptr;
  int port_ = 0;
};

}  // namespace traind::server
