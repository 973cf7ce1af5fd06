#include "core/job/test_time.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "core/data/augmentation/views.h"

namespace traind::core {
namespace {

// Bounds of the API on the forward passes for one example, far above use.
constexpr uint32_t kMaxSamples = 1000;
constexpr int64_t kMaxLooks = 10'000;

}  // namespace

int64_t ResolveTestTime(v1::TestTime* config, const Shape& image, const Shape& input, const FieldErrors& errors) {
  if (config->fractional_samples() == 0) config->set_fractional_samples(1);
  const int before = errors.count();
  const auto check = [&](std::string_view field, uint32_t samples) {
    if (samples > kMaxSamples) errors.At(field).Add(absl::StrCat("must be at most ", kMaxSamples, ", not ", samples));
  };
  check("fractional_samples", config->fractional_samples());
  check("dropout_samples", config->dropout_samples());
  const Views views = Views::Create(*config, image, input, errors);
  const int64_t looks = views.count() * SamplesOf(*config);
  if (errors.count() == before && looks > kMaxLooks) {
    errors.Add(absl::StrCat("makes ", looks, " looks at each example; at most ", kMaxLooks));
  }
  return looks;
}

int64_t SamplesOf(const v1::TestTime& config) {
  return std::max<int64_t>({1, config.fractional_samples(), config.dropout_samples()});
}

}  // namespace traind::core
