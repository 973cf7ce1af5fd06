// ServerService: what the server is, and what can be changed while it runs. Thread-safe; everything given to it
// outlives it.
#pragma once

#include <grpcpp/grpcpp.h>

#include <utility>

#include "server/services/backend.h"
#include "server/services/server_info.h"
#include "traind/v1/server_service.grpc.pb.h"

namespace traind::server {

class ServerService final : public v1::ServerService::CallbackService {
 public:
  ServerService(const Backend& backend, ServerFacts facts) : backend_(backend), facts_(std::move(facts)) {}

  grpc::ServerUnaryReactor* GetServerInfo(grpc::CallbackServerContext* context, const v1::GetServerInfoRequest* request,
                                          v1::ServerInfo* response) override;
  grpc::ServerUnaryReactor* SetLogLevel(grpc::CallbackServerContext* context, const v1::SetLogLevelRequest* request,
                                        v1::ServerInfo* response) override;

  grpc::ServerUnaryReactor* GetStorage(grpc::CallbackServerContext* context, const v1::GetStorageRequest* request,
                                       v1::Storage* response) override;

 private:
  const Backend backend_;
  const ServerFacts facts_;
};

}  // namespace traind::server
