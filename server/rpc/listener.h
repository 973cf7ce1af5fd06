// The port: accepts connections and hands them to gRPC, up to a number that are open at a time, which gRPC 1.51 itself
// does not bound. What comes beyond it is closed at once, so that clients try again instead of waiting, and the log
// says how many. Thread-safe.
#pragma once

#include <grpcpp/server_builder.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "absl/status/statusor.h"
#include "server/rpc/seldom.h"
#include "server/wire/channel.h"

namespace traind::server {

class Listener {
 public:
  // `address`: "host:port", "[ipv6]:port" or "unix:/path"; port 0 takes a free one. 0.0.0.0 and [::] are all addresses
  // of both families. INVALID_ARGUMENT: none of these; UNAVAILABLE: it cannot be had, and why.
  static absl::StatusOr<std::unique_ptr<Listener>> Listen(const std::string& address, int max_connections);
  // Closes the port. Connections stay gRPC's.
  ~Listener();

  int port() const { return port_; }  // 0: it has none (unix:).
  // Accepts from here on. Once, when the acceptor's server has started; when that ends, whatever comes is closed.
  void Serve(std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor);

  int connections() const { return open_; }

 private:
  explicit Listener(int max_connections) : max_connections_(max_connections) {}
  void Run();
  // Takes the connections that wait at a socket. False: there is no file for another one.
  bool Accept(int socket);
  void Hand(int socket, UniqueFd connection);
  bool WaitsFor(int fd, uint32_t events);

  const int max_connections_;
  int port_ = 0;
  std::vector<UniqueFd> sockets_;
  UniqueFd poll_, stop_;
  std::unordered_map<int, UniqueFd> ends_;  // Of the thread: a second descriptor of each connection, by its number.
  std::atomic<int> open_{0};
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor_;
  Seldom refused_, failed_;
  std::thread thread_;
};

}  // namespace traind::server
