// One WaitOperation call. It holds no thread while it waits. Thread-safe.
#pragma once

#include <grpcpp/grpcpp.h>

#include "server/operations/operation_manager.h"
#include "server/rpc/gate.h"
#include "traind/v1/operation.pb.h"

namespace traind::server {

// The reactor owns itself. All arguments outlive it. INVALID_ARGUMENT: the name, or a negative timeout.
grpc::ServerUnaryReactor* WaitOperation(const Entrance& entrance, OperationManager& operations,
                                        grpc::CallbackServerContext* context, const v1::WaitOperationRequest& request,
                                        v1::Operation* response);

}  // namespace traind::server
