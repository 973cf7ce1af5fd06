// absl::Status to grpc::Status, in one place. Pure.
#pragma once

#include <grpcpp/support/status.h>

#include "absl/status/status.h"
#include "traind/rpc/status.pb.h"

namespace traind::server {

// The same code and message; payloads become the details of a google.rpc.Status, as clients of rich errors expect
// (BadRequest with the violations, ResourceInfo with the resource). Details past a client's default limit for trailers
// (8 KiB) are cut at a violation's end. An UNAVAILABLE gets a RetryInfo when it has none: so a client knows that the
// server itself has answered, and when to ask again.
grpc::Status ToGrpcStatus(const absl::Status& status);

// The google.rpc.Status of an error, as it travels in the trailers of a call and in an operation; cut in the same way.
rpc::Status ToRichStatus(const absl::Status& status);

}  // namespace traind::server
