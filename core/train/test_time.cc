#include "core/train/test_time.h"

#include <algorithm>
#include <cfloat>
#include <cmath>

#include "absl/strings/str_cat.h"

namespace traind::core {
namespace {

constexpr uint32_t kMaxSamples = 1000;
constexpr int64_t kMaxLooks = 10'000;

}  // namespace

Views ResolveTestTime(v1::TestTime* config, const Shape& image, const Shape& input, const FieldErrors& errors) {
  if (config->fractional_samples() == 0) config->set_fractional_samples(1);
  const int before = errors.count();
  const auto check = [&](std::string_view field, uint32_t samples) {
    if (samples > kMaxSamples) errors.At(field).Add(absl::StrCat("must be at most ", kMaxSamples, ", not ", samples));
  };
  check("fractional_samples", config->fractional_samples());
  check("dropout_samples", config->dropout_samples());
  Views views = Views::Create(*config, image, input, errors);
  if (errors.count() == before && views.count() * SamplesOf(*config) > kMaxLooks) {
    errors.Add(
        absl::StrCat("makes ", views.count() * SamplesOf(*config), " looks at each example; at most ", kMaxLooks));
  }
  return views;
}

int64_t SamplesOf(const v1::TestTime& config) {
  return std::max<int64_t>({1, config.fractional_samples(), config.dropout_samples()});
}

LookAverage::LookAverage(const v1::Loss& loss, int64_t looks, int64_t batch, int64_t outputs)
    : softmax_(loss.has_softmax_cross_entropy()), looks_(looks), outputs_(outputs) {
  const auto n = static_cast<size_t>(batch * outputs);
  output_.resize(n);
  if (looks == 1) return;
  spread_.resize(n);
  sum_.resize(n);
  squares_.resize(n);
  first_.resize(n);
}

bool LookAverage::Add(const float* output, int64_t count) {
  const int64_t n = count * outputs_;
  if (looks_ == 1) {
    std::copy_n(output, n, output_.begin());
    return true;
  }
  if (seen_ == 0) {
    std::fill(sum_.begin(), sum_.end(), 0.0);
    std::fill(squares_.begin(), squares_.end(), 0.0);
  }
  for (int64_t i = 0; i < count; ++i) {
    const float* x = output + i * outputs_;
    double largest = 0;
    double total = 1;
    if (softmax_) {
      largest = double{*std::max_element(x, x + outputs_)};
      total = 0;
      for (int64_t c = 0; c < outputs_; ++c) total += std::exp(x[c] - largest);
    }
    for (int64_t c = 0; c < outputs_; ++c) {
      const double value = softmax_ ? std::exp(x[c] - largest) / total : double{x[c]};
      const int64_t k = i * outputs_ + c;
      if (seen_ == 0) first_[k] = value;
      const double difference = value - first_[k];
      sum_[k] += difference;
      squares_[k] += difference * difference;
    }
  }
  if (++seen_ < looks_) return false;
  seen_ = 0;
  const auto looks = static_cast<double>(looks_);
  for (int64_t k = 0; k < n; ++k) {
    const double shift = sum_[k] / looks;
    const double mean = first_[k] + shift;
    output_[k] = static_cast<float>(softmax_ ? std::log(mean < double{FLT_MIN} ? double{FLT_MIN} : mean) : mean);
    spread_[k] = static_cast<float>(std::sqrt(std::max(0.0, squares_[k] / looks - shift * shift)));
  }
  return true;
}

}  // namespace traind::core
