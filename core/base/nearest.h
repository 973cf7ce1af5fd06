// Names that a pattern may have meant. Pure; thread-safe.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace traind::core {

// The `most` names with the smallest edit distance to `pattern`, in which `*` stands for any characters, nearest first;
// of equal ones the first. Looks at the first 10,000 names alone.
std::vector<std::string> NearestNames(absl::string_view pattern, absl::Span<const std::string> names, size_t most);

}  // namespace traind::core
