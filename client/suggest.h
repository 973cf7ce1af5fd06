// "Did you mean": the nearest known word. Pure functions.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace traind::client {

// The candidate nearest to `word` by edit distance, or empty when none is near enough to be a slip.
std::string Nearest(absl::string_view word, const std::vector<std::string>& candidates);

// "known fields: a, b, c" preceded by "did you mean b? " when one is near.
std::string Known(absl::string_view what, absl::string_view word, const std::vector<std::string>& candidates);

}  // namespace traind::client
