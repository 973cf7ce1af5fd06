// OperationService on the operation manager. Thread-safe; everything given to it outlives it.
#pragma once

#include <grpcpp/grpcpp.h>

#include "server/services/backend.h"
#include "traind/v1/operation.grpc.pb.h"

namespace traind::server {

class OperationService final : public v1::OperationService::CallbackService {
 public:
  explicit OperationService(const Backend& backend) : backend_(backend) {}

  grpc::ServerUnaryReactor* GetOperation(grpc::CallbackServerContext* context, const v1::GetOperationRequest* request,
                                         v1::Operation* response) override;
  grpc::ServerUnaryReactor* ListOperations(grpc::CallbackServerContext* context,
                                           const v1::ListOperationsRequest* request,
                                           v1::ListOperationsResponse* response) override;
  grpc::ServerUnaryReactor* WaitOperation(grpc::CallbackServerContext* context, const v1::WaitOperationRequest* request,
                                          v1::Operation* response) override;
  grpc::ServerUnaryReactor* CancelOperation(grpc::CallbackServerContext* context,
                                            const v1::CancelOperationRequest* request,
                                            v1::Operation* response) override;
  grpc::ServerUnaryReactor* DeleteOperation(grpc::CallbackServerContext* context,
                                            const v1::DeleteOperationRequest* request,
                                            google::protobuf::Empty* response) override;

 private:
  const Backend backend_;
};

}  // namespace traind::server
