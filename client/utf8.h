// Text in UTF-8 (RFC 3629), as protobuf's strings must be. Pure function; thread-safe.
#pragma once

#include <cstddef>

#include "absl/strings/string_view.h"

namespace traind::client {

// Where the first byte stands that is no text; npos: there is none.
size_t FirstNonUtf8(absl::string_view text);

}  // namespace traind::client
