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

}  // namespace

void ResolveLengths(Message& config, uint64_t steps_per_epoch, const FieldErrors& errors) {
  const auto& descriptor = *config.GetDescriptor();
  for (int i = 0; i < descriptor.field_count(); ++i) {
    const FieldDescriptor& in_epochs = *descriptor.field(i);
    absl::string_view stem = in_epochs.name();
    if (!absl::ConsumeSuffix(&stem, "_epochs")) continue;
    const FieldDescriptor* in_steps = descriptor.FindFieldByName(absl::StrCat(stem, "_steps"));
    if (in_steps == nullptr) continue;
    const std::vector<double> epochs = EpochsOf(config, in_epochs);
    if (epochs.empty()) continue;
    const int before = errors.count();
    if (IsGiven(config, *in_steps)) {
      errors.At(in_epochs.name()).Add(absl::StrCat("cannot be given together with ", in_steps->name()));
    }
    std::vector<uint64_t> steps;
    for (size_t k = 0; k < epochs.size(); ++k) {
      const FieldErrors at =
          in_epochs.is_repeated() ? errors.At(in_epochs.name(), static_cast<int64_t>(k)) : errors.At(in_epochs.name());
      const double length = epochs[k] * static_cast<double>(steps_per_epoch);
      if (!(epochs[k] > 0) || !std::isfinite(epochs[k])) {
        at.Add(absl::StrCat("must be finite and above 0, not ", epochs[k]));
      } else if (length > MostSteps(*in_steps)) {
        at.Add(absl::StrCat("makes ", length, " steps; must make at most ", MostSteps(*in_steps)));
      } else {
        steps.push_back(std::max<uint64_t>(1, static_cast<uint64_t>(std::llround(length))));
      }
    }
    if (errors.count() > before || steps_per_epoch == 0) continue;
    config.GetReflection()->ClearField(&config, &in_epochs);
    for (const uint64_t n : steps) SetSteps(config, *in_steps, n);
  }
}

}  // namespace traind::core
