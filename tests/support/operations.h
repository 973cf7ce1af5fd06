// Waiting for operations in tests that have a channel to a server.
#pragma once

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include "traind/v1/operation.grpc.pb.h"

namespace traind {

// Waits until an operation that a call has begun is done, and takes what it made. The call's error, or the operation's
// as a call would say it.
template <class Made>
grpc::Status Await(v1::OperationService::Stub& operations, const grpc::Status& begun, v1::Operation operation,
                   Made* made) {
  if (!begun.ok()) return begun;
  while (!operation.done()) {
    grpc::ClientContext context;
    v1::WaitOperationRequest request;
    request.set_name(operation.name());
    const grpc::Status status = operations.WaitOperation(&context, request, &operation);
    if (!status.ok()) return status;
  }
  if (operation.has_error()) {
    return {static_cast<grpc::StatusCode>(operation.error().code()), operation.error().message(),
            operation.error().SerializeAsString()};
  }
  EXPECT_TRUE(operation.response().UnpackTo(made)) << operation.response().type_url();
  return grpc::Status::OK;
}

}  // namespace traind
