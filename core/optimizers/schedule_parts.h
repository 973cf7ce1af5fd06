// What several schedules are made of. Pure; thread-safe.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "core/base/require.h"

namespace traind::core {

// The share of the run that is done, in [0, 1].
inline double Progress(uint64_t t, uint64_t total) {
  return total == 0 ? 0 : std::min(1.0, static_cast<double>(t) / static_cast<double>(total));
}

// From `from` to `to` along half a cosine, at `share` of the way.
inline double HalfCosine(double from, double to, double share) {
  return to + (from - to) * 0.5 * (1 + std::cos(std::numbers::pi * share));
}

inline void RequireFinalFactor(double value, const FieldErrors& errors) {
  Require(value >= 0 && value <= 1, errors, "final_factor", "in [0, 1]", value);
}

// A length that is given in steps or in epochs, "<name>_steps" and "<name>_epochs", of which the latter became steps
// where the length of an epoch was known (lengths.h). Records it where there is none; the result is at least 1, to be
// computed with.
inline uint64_t RequireLength(uint64_t steps, double epochs, std::string_view name, const FieldErrors& errors) {
  if (steps == 0 && epochs == 0) {
    const std::string prefix(name);
    errors.At(absl::StrCat(prefix, "_steps")).Add(absl::StrCat("must be at least 1, or give ", prefix, "_epochs"));
  }
  return std::max<uint64_t>(1, steps);
}

}  // namespace traind::core
