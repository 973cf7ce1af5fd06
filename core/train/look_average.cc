#include "core/train/look_average.h"

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <optional>

#include "core/train/softmax.h"

namespace traind::core {

namespace {

// What is averaged of a look: logits take the row's softmax.
double ToAveraged(OutputMeaning meaning, const std::optional<Softmax>& softmax, float x) {
  if (softmax) return (*softmax)(x);
  if (meaning == OutputMeaning::kLogOdds) return Sigmoid(x);
  return meaning == OutputMeaning::kLogRates ? std::exp(double{x}) : double{x};
}

double Log(double mean) {
  constexpr double kLeast{FLT_MIN};
  return std::log(mean < kLeast ? kLeast : mean);
}

// The output that says the mean; of log odds `rest` is the mean of 1 - p.
double FromAveraged(OutputMeaning meaning, double mean, double rest) {
  switch (meaning) {
    case OutputMeaning::kLogits:
    case OutputMeaning::kLogRates:
      return Log(mean);
    case OutputMeaning::kLogOdds:
      return Log(mean) - Log(rest);
    default:
      return mean;
  }
}

}  // namespace

LookAverage::LookAverage(OutputMeaning meaning, int64_t looks, int64_t batch, int64_t outputs)
    : meaning_(meaning), looks_(looks), outputs_(outputs) {
  const auto n = static_cast<size_t>(batch * outputs);
  output_.resize(n);
  if (looks == 1) return;
  spread_.resize(n);
  sum_.resize(n);
  squares_.resize(n);
  first_.resize(n);
  if (meaning == OutputMeaning::kLogOdds) rest_.resize(n);
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
    std::fill(rest_.begin(), rest_.end(), 0.0);
  }
  for (int64_t i = 0; i < count; ++i) {
    const float* x = output + i * outputs_;
    std::optional<Softmax> softmax;
    if (meaning_ == OutputMeaning::kLogits) softmax.emplace(x, outputs_);
    for (int64_t c = 0; c < outputs_; ++c) {
      const double value = ToAveraged(meaning_, softmax, x[c]);
      const int64_t k = i * outputs_ + c;
      if (seen_ == 0) first_[k] = value;
      if (meaning_ == OutputMeaning::kLogOdds) rest_[k] += Sigmoid(-x[c]);
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
    output_[k] = static_cast<float>(FromAveraged(meaning_, mean, rest_.empty() ? 0 : rest_[k] / looks));
    spread_[k] = static_cast<float>(std::sqrt(std::max(0.0, squares_[k] / looks - shift * shift)));
  }
  return true;
}

}  // namespace traind::core
