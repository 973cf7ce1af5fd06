// For whom a call is made that the server makes to itself, over a channel of its own (inner_port.h): of a browser, gRPC
// itself would see neither the address nor the certificate. They travel in a header together with a secret of this
// process, so that nobody else can say them. Thread-safe.
#pragma once

#include <grpcpp/grpcpp.h>

#include <optional>
#include <string>

namespace traind::server {

struct InnerCaller {
  std::string peer;              // "ipv4:127.0.0.1:4711", as gRPC writes it.
  std::string certificate_name;  // As in CallerCredentials.
};

inline constexpr char kInnerCallerKey[] = "traind-inner-caller-bin";

// The value of that header.
std::string EncodeInnerCaller(const InnerCaller& caller);

// Nothing where the call comes from elsewhere, whatever it says.
std::optional<InnerCaller> InnerCallerOf(const grpc::ServerContextBase& call);

// Who is at the other end of a call: for logs, not for decisions.
std::string PeerOf(const grpc::ServerContextBase& call);

}  // namespace traind::server
