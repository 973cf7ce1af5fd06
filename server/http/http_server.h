// The port of the page (--http-listen): HTTP/1.1 by Boost.Beast, the page's files, gRPC-Web to the server's own
// services, and the login. Bounded: threads, connections, those of one address, and what HttpLimits has of each.
// Thread-safe.
//
//   GET  /, /app.js, ...                    the page
//   POST /traind.v1.TrainingService/GetJob  as gRPC-Web has it, by the rules of request_guard.h
//   POST /login                             with a token as the body: 204 and a cookie; 401
//   POST /logout                            204, and the cookie is gone
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/http/connection.h"
#include "server/http/pages.h"
#include "server/tls/credentials.h"

namespace traind::server {

class HttpServer {
 public:
  struct Options {
    std::string address;                  // "host:port"; port 0 takes a free one.
    std::vector<std::string> names = {};  // --http-name.
    const TlsCredentials* tls = nullptr;  // Null: without. Outlives the server.
    std::vector<PageFile> files = {};
    std::shared_ptr<grpc::Channel> channel = nullptr;  // To the services; takes answers of any size.
    HttpLimits limits = {};
  };

  // INVALID_ARGUMENT: there is no such address. UNAVAILABLE: it cannot be had.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(Options options);
  // Cancels the calls under way, and waits for their ends.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  int port() const;

 private:
  class Listener;
  explicit HttpServer(std::unique_ptr<Listener> listener);

  const std::unique_ptr<Listener> listener_;
};

}  // namespace traind::server
