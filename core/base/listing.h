// Names in a sentence. Thread-safe.
#pragma once

#include <cstddef>
#include <string>

#include "absl/types/span.h"

namespace traind::core {

// "a, b, c", or "a, b and 7 more" beyond `most` names.
std::string Listing(absl::Span<const std::string> names, size_t most);

}  // namespace traind::core
