#include "server/services/operation_service.h"

#include "server/resources/names.h"
#include "server/rpc/unary_call.h"
#include "server/services/wait_call.h"

namespace traind::server {

grpc::ServerUnaryReactor* OperationService::GetOperation(grpc::CallbackServerContext* context,
                                                         const v1::GetOperationRequest* request,
                                                         v1::Operation* response) {
  return AnswerOn(*backend_.quick, context, *request, [this, request, response](CallContext&) -> absl::Status {
    auto id = ParseName("operations", request->name(), "name");
    return id.ok() ? Give(backend_.operations->Get(*id), response) : id.status();
  });
}

grpc::ServerUnaryReactor* OperationService::ListOperations(grpc::CallbackServerContext* context,
                                                           const v1::ListOperationsRequest* request,
                                                           v1::ListOperationsResponse* response) {
  return AnswerOn(*backend_.quick, context, *request, [this, request, response](CallContext& call) {
    return Give(backend_.operations->List(*request, call.caller()), response);
  });
}

grpc::ServerUnaryReactor* OperationService::WaitOperation(grpc::CallbackServerContext* context,
                                                          const v1::WaitOperationRequest* request,
                                                          v1::Operation* response) {
  return server::WaitOperation(*backend_.quick, *backend_.operations, context, *request, response);
}

grpc::ServerUnaryReactor* OperationService::CancelOperation(grpc::CallbackServerContext* context,
                                                            const v1::CancelOperationRequest* request,
                                                            v1::Operation* response) {
  return AnswerOn(*backend_.quick, context, *request, [this, request, response](CallContext&) -> absl::Status {
    auto id = ParseName("operations", request->name(), "name");
    return id.ok() ? Give(backend_.operations->Cancel(*id), response) : id.status();
  });
}

grpc::ServerUnaryReactor* OperationService::DeleteOperation(grpc::CallbackServerContext* context,
                                                            const v1::DeleteOperationRequest* request,
                                                            google::protobuf::Empty*) {
  return AnswerOn(*backend_.removing, context, *request, [this, request](CallContext&) -> absl::Status {
    auto id = ParseName("operations", request->name(), "name");
    return id.ok() ? backend_.operations->Delete(*id) : id.status();
  });
}

}  // namespace traind::server
