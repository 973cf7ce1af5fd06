// Which addresses are this machine's own. Pure.
#pragma once

#include "absl/strings/string_view.h"

namespace traind::client {

// True for a target that never leaves this machine: "127.0.0.1:50051", "localhost:1", "[::1]:1", "unix:/path", also
// with gRPC's scheme in front ("ipv4:", "dns:///").
bool IsLoopback(absl::string_view target);

}  // namespace traind::client
