// A health check over a connection of its own, and what the other side showed for itself.
#pragma once

#include <google/protobuf/wrappers.pb.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "absl/synchronization/notification.h"

namespace traind {

struct HealthAnswer {
  grpc::Status status;
  int serving = 0;          // 1: SERVING.
  std::string certificate;  // Of the server, in PEM.
};

// grpc.health.v1's messages have the wire form of protobuf's wrappers.
inline HealthAnswer CallHealth(const std::shared_ptr<grpc::Channel>& channel, const std::string& service = "") {
  grpc::TemplatedGenericStub<google::protobuf::StringValue, google::protobuf::Int32Value> stub(channel);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
  google::protobuf::StringValue request;
  request.set_value(service);
  google::protobuf::Int32Value response;
  HealthAnswer answer;
  absl::Notification done;
  stub.UnaryCall(&context, "/grpc.health.v1.Health/Check", {}, &request, &response, [&](grpc::Status status) {
    answer.status = std::move(status);
    done.Notify();
  });
  done.WaitForNotification();
  answer.serving = response.value();
  if (const auto peer = context.auth_context(); peer != nullptr) {
    for (const auto& pem : peer->FindPropertyValues("x509_pem_cert")) answer.certificate.assign(pem.data(), pem.size());
  }
  return answer;
}

inline HealthAnswer CallHealth(const std::string& address, const std::shared_ptr<grpc::ChannelCredentials>& credentials,
                               const std::string& service = "") {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // A handshake of its own.
  return CallHealth(grpc::CreateCustomChannel(address, credentials, arguments), service);
}

}  // namespace traind
