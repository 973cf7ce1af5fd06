// The usual check of one number of a configuration.
#pragma once

#include <cmath>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "core/base/errors.h"

namespace traind::core {

// Records "must be <wanted>, not <value>" for `field` unless `ok`. Write the condition so that NaN fails it.
inline void Require(bool ok, const FieldErrors& errors, std::string_view field, std::string_view wanted, double value) {
  if (!ok) errors.At(field).Add(absl::StrCat("must be ", std::string(wanted), ", not ", value));
}

// Finite as the float that the kernels compute with.
inline bool IsFiniteFloat(double value) { return std::isfinite(static_cast<float>(value)); }

inline bool IsPositiveFloat(double value) { return static_cast<float>(value) > 0 && IsFiniteFloat(value); }

}  // namespace traind::core
