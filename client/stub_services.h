// What the sources of Stub share: one blocking call, and the generated stubs. Seen by them alone, for it knows gRPC.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <memory>
#include <string>

#include "client/errors.h"
#include "client/stub.h"
#include "traind/v1/auth_service.grpc.pb.h"
#include "traind/v1/dataset_service.grpc.pb.h"
#include "traind/v1/model_service.grpc.pb.h"
#include "traind/v1/operation.grpc.pb.h"
#include "traind/v1/server_service.grpc.pb.h"
#include "traind/v1/sweep_service.grpc.pb.h"
#include "traind/v1/training_service.grpc.pb.h"

namespace traind::client {

inline absl::Status FromGrpc(const grpc::Status& status) {
  return MakeStatus(status.error_code(), status.error_message(), status.error_details());
}

// What every call needs.
struct Access {
  absl::Status usable;        // Not OK: there is no call.
  std::string authorization;  // Of the header; empty: none.

  void Prepare(grpc::ClientContext& context) const {
    if (!authorization.empty()) context.AddMetadata("authorization", authorization);
  }
};

template <typename Stub>
struct Service {
  Service(const std::shared_ptr<grpc::Channel>& channel, const Access& of) : stub(channel), access(of) {}
  Stub stub;
  const Access& access;
};

// Runs one blocking unary call.
template <typename Stub, typename Request, typename Response>
absl::StatusOr<Response> Call(Service<Stub>& service,
                              grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                              const Request& request, absl::Time deadline) {
  if (!service.access.usable.ok()) return service.access.usable;
  grpc::ClientContext context;
  service.access.Prepare(context);
  if (deadline != absl::InfiniteFuture()) context.set_deadline(absl::ToChronoTime(deadline));
  Response response;
  const grpc::Status status = (service.stub.*method)(&context, request, &response);
  if (!status.ok()) return FromGrpc(status);
  return response;
}

struct Stub::Services {
  Services(const std::string& address, const Credentials& credentials);

  const Access access;
  const std::shared_ptr<grpc::Channel> channel;
  Service<v1::TrainingService::Stub> training;
  Service<v1::DatasetService::Stub> datasets;
  Service<v1::ModelService::Stub> models;
  Service<v1::OperationService::Stub> operations;
  Service<v1::AuthService::Stub> auth;
  Service<v1::ServerService::Stub> server;
  Service<v1::SweepService::Stub> sweeps;
};

}  // namespace traind::client
