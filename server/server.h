// The whole server put together: store, jobs, services, gRPC. main.cc runs it as a program, tests run it in their own
// process.
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/config.h"
#include "server/workers/worker.h"

namespace traind::server {

class Server {
 public:
  // Starts to serve. `config` is complete; `launcher` starts the workers and outlives the server. Errors: a layer of
  // the sandbox is missing that --require-sandbox wants, the data folder is in use or damaged (see SqliteJobStore and
  // DataFolder), a file of TLS is not sound (see ReadTls), or an address cannot be had (UNAVAILABLE).
  static absl::StatusOr<std::unique_ptr<Server>> Start(const Config& config, Launcher* launcher);
  // Ends at once if Shutdown was not called.
  ~Server();

  int port() const;
  int metrics_port() const;  // 0: there is none.
  int connections() const;   // Open at this moment.
  int http_port() const;     // 0: there is none.
  // For calls from the same process.
  std::shared_ptr<grpc::Channel> InProcessChannel();
  // NOT_SERVING; workers write checkpoints and end; streams end UNAVAILABLE; calls under way are waited for. Takes at
  // most a little more than `patience`. Once.
  void Shutdown(absl::Duration patience);

 private:
  struct Parts;
  explicit Server(std::unique_ptr<Parts> parts);

  std::unique_ptr<Parts> parts_;
};

}  // namespace traind::server
