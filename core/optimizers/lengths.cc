#include "core/optimizers/lengths.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "core/base/require.h"

namespace traind::core {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// Its values; none where an optional field is not set or a plain one is 0.
std::vector<double> EpochsOf(const Message& config, const FieldDescriptor& field) {
  const auto& reflection = *config.GetReflection();
  std::vector<double> values;
  if (field.is_repeated()) {
    for (int i = 0; i < reflection.FieldSize(config, &field); ++i) {
      values.push_back(reflection.GetRepeatedDouble(config, &field, i));
    }
  } else if (reflection.HasField(config, &field)) {
    values.push_back(reflection.GetDouble(config, &field));
  }
  return values;
}

bool IsGiven(const Message& config, const FieldDescriptor& field) {
  const auto& reflection = *config.GetReflection();
  return field.is_repeated() ? reflection.FieldSize(config, &field) > 0 : reflection.HasField(config, &field);
}

void SetSteps(Message& config, const FieldDescriptor& field, uint64_t steps) {
  const auto& reflection = *config.GetReflection();
  const bool narrow = field.cpp_type() == FieldDescriptor::CPPTYPE_UINT32;
  if (field.is_repeated()) {
    narrow ? reflection.AddUInt32(&config, &field, static_cast<uint32_t>(steps))
           : reflection.AddUInt64(&config, &field, steps);
  } else {
    narrow ? reflection.SetUInt32(&config, &field, static_cast<uint32_t>(steps))
           : reflection.SetUInt64(&config, &field, steps);
  }
}

double MostSteps(const FieldDescriptor& field) {
  constexpr double kMost = 1099511627776.0;  // 2^40, above every job.
  return field.cpp_type() == FieldDescriptor::CPPTYPE_UINT32 ? std::numeric_limits<uint32_t>::max() : kMost;
}

bool IsLength(double epochs) { return epochs > 0 && std::isfinite(epochs); }

FieldErrors AtValue(const FieldDescriptor& field, size_t index, const FieldErrors& errors) {
  return field.is_repeated() ? errors.At(field.name(), static_cast<int64_t>(index)) : errors.At(field.name());
}

struct Length {
  const FieldDescriptor* in_steps;
  const FieldDescriptor* in_epochs;
  std::vector<double> epochs;  // Empty: not given.
};

std::vector<Length> LengthsOf(const Message& config) {
  std::vector<Length> lengths;
  const auto& descriptor = *config.GetDescriptor();
  for (int i = 0; i < descriptor.field_count(); ++i) {
    const FieldDescriptor& field = *descriptor.field(i);
    absl::string_view stem = field.name();
    if (!absl::ConsumeSuffix(&stem, "_epochs")) continue;
    const FieldDescriptor* in_steps = descriptor.FindFieldByName(absl::StrCat(stem, "_steps"));
    if (in_steps != nullptr) lengths.push_back({in_steps, &field, EpochsOf(config, field)});
  }
  return lengths;
}

}  // namespace

void CheckLengths(const Message& config, const FieldErrors& errors) {
  for (const Length& length : LengthsOf(config)) {
    if (length.epochs.empty()) continue;
    if (IsGiven(config, *length.in_steps)) {
      errors.At(length.in_epochs->name()).Add(absl::StrCat("cannot be given together with ", length.in_steps->name()));
    }
    for (size_t k = 0; k < length.epochs.size(); ++k) {
      if (IsLength(length.epochs[k])) continue;
      AtValue(*length.in_epochs, k, errors).Add(absl::StrCat("must be finite and above 0, not ", length.epochs[k]));
    }
  }
}

void ConvertLengths(Message& config, uint64_t steps_per_epoch, const FieldErrors& errors) {
  for (const Length& length : LengthsOf(config)) {
    if (length.epochs.empty() || IsGiven(config, *length.in_steps)) continue;
    if (!std::all_of(length.epochs.begin(), length.epochs.end(), IsLength)) continue;
    const int before = errors.count();
    std::vector<uint64_t> steps;
    for (size_t k = 0; k < length.epochs.size(); ++k) {
      const double n = length.epochs[k] * static_cast<double>(steps_per_epoch);
      if (n > MostSteps(*length.in_steps)) {
        AtValue(*length.in_epochs, k, errors)
            .Add(absl::StrCat("makes ", n, " steps; must make at most ", MostSteps(*length.in_steps)));
      } else {
        steps.push_back(std::max<uint64_t>(1, static_cast<uint64_t>(std::llround(n))));
      }
    }
    if (errors.count() > before) continue;
    config.GetReflection()->ClearField(&config, length.in_epochs);
    for (const uint64_t n : steps) SetSteps(config, *length.in_steps, n);
  }
}

}  // namespace traind::core
