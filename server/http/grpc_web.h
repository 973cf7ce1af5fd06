// The bytes of gRPC-Web (application/grpc-web+proto): a request is one message in a frame, an answer a frame for each
// message and one for the trailers. Pure; thread-safe.
#pragma once

#include <grpcpp/support/status.h>

#include <cstddef>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "google/protobuf/descriptor.h"

namespace traind::server {

inline constexpr size_t kFrameHeadBytes = 5;
inline constexpr absl::string_view kGrpcWebType = "application/grpc-web+proto";

// Content types that mean those bytes.
bool IsGrpcWebType(absl::string_view content_type);

// The method of the API that a path means, "/traind.v1.TrainingService/GetJob"; null: none of ours.
const google::protobuf::MethodDescriptor* MethodOfPath(absl::string_view path);

// The message of a request's body. INVALID_ARGUMENT: it is not one whole frame. UNIMPLEMENTED: it is compressed.
absl::StatusOr<absl::string_view> MessageInFrame(absl::string_view body);

// What stands before the bytes of a message.
std::string FrameHead(size_t message_bytes);

// The last frame: code, message and the details of a rich error.
std::string TrailerFrame(const grpc::Status& status);

// "grpc-timeout": "100m" are 100 ms. Nothing: it is malformed.
std::optional<absl::Duration> ParseTimeout(absl::string_view text);

}  // namespace traind::server
