// What an error from the server says beyond its code and message. Pure functions.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace traind::client {

// The payload key of a google.rpc.BadRequest in an absl::Status, as the server and the engine use it.
inline constexpr absl::string_view kBadRequestUrl = "type.googleapis.com/google.rpc.BadRequest";
// The same of a google.rpc.RetryInfo.
inline constexpr absl::string_view kRetryInfoUrl = "type.googleapis.com/google.rpc.RetryInfo";

struct FieldViolation {
  std::string field;        // "spec.network.layers[3].conv2d.kernel"; empty: the request as a whole.
  std::string description;  // What is wrong and what would be right.
};

// An absl::Status from the parts of a gRPC status: `details` is the serialized google.rpc.Status of the
// `grpc-status-details-bin` trailer (may be empty); each of its details becomes a payload. Details that do not parse
// are left out; code and message stand.
absl::Status MakeStatus(int code, absl::string_view message, absl::string_view details);

// Whether the status came with a call, from the server or from the connection to it; not from this program.
bool IsOfCall(const absl::Status& status);

// How long the server asks to wait before another try. Nullopt: it says nothing, or what is no time from 0 to an hour.
// Of an UNAVAILABLE that means: nobody has answered; of a RESOURCE_EXHAUSTED, that waiting alone is of no use.
std::optional<absl::Duration> RetryDelay(const absl::Status& status);

// The violations that the status carries, in the server's order. Empty when it carries none.
std::vector<FieldViolation> FieldViolations(const absl::Status& status);

}  // namespace traind::client
