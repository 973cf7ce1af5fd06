// A way to the server's own services for this process alone, past the port that others reach: an abstract socket, whose
// other end must be this process (the system says so). A channel of gRPC over it mends itself, whatever limits of age
// the server has. gRPC's in-process transport would do, but for a fault of version 1.51: now and then (once in some
// 10,000 calls that stream) the server is not told that a call has ended, and never shuts down. Thread-safe.
#pragma once

#include <grpcpp/grpcpp.h>
#include <grpcpp/server_builder.h>

#include <memory>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "server/wire/channel.h"

namespace traind::server {

class InnerPort {
 public:
  static absl::StatusOr<std::unique_ptr<InnerPort>> Listen();
  // Connections stay gRPC's.
  ~InnerPort();

  // Accepts from here on. Once, when the acceptor's server has started; when that ends, whatever comes is closed.
  void Serve(std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor);

  // To the services, with answers of any size: they bound these themselves.
  std::shared_ptr<grpc::Channel> MakeChannel() const;
  // Of the socket, as gRPC writes it: "unix-abstract:0003f".
  const std::string& target() const { return target_; }

 private:
  InnerPort() = default;
  void Run();

  std::string target_;
  UniqueFd socket_, stop_;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor_;
  std::thread thread_;
};

}  // namespace traind::server
