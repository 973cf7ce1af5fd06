// What a rule says, made legible. Pure.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace traind::core {

// The sentence with its decimal fractions rounded to four digits: "0.2546" for "0.254618", "2.671e-06". Whole numbers
// and what stands in double quotes, names of layers, stay as they are.
std::string Rounded(absl::string_view sentence);

}  // namespace traind::core
