// "Did you mean": the nearest of the words there are. Pure functions.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace traind::server {

// "known fields: a, b, c" for what = "fields", preceded by "did you mean b? " when one is near enough to be a slip.
std::string KnownWords(absl::string_view what, absl::string_view word, const std::vector<std::string>& known);

}  // namespace traind::server
