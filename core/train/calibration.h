// Expected calibration error (Guo et al. 2017, "On calibration of modern neural networks", section 2): answers in 15
// equal bins (m / 15, (m + 1) / 15] by their probability; the mean over them of |share of right ones - mean
// probability| of their bin.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

namespace traind::core {

class Calibration {
 public:
  // An answer, with the probability that it was given.
  void Add(double probability, bool right) {
    if (std::isnan(probability)) return;
    const double place = std::ceil(probability * kBins) - 1;
    const auto bin = static_cast<size_t>(std::clamp(place, 0.0, kBins - 1.0));
    // The bins' sums of both are compared, so the mean of the absolute differences needs no counts.
    surplus_[bin] += (right ? 1.0 : 0.0) - probability;
    ++answers_;
  }
  // Of all answers that had a probability.
  double Error() const {
    double sum = 0;
    for (double surplus : surplus_) sum += std::abs(surplus);
    return answers_ == 0 ? std::nan("") : sum / static_cast<double>(answers_);
  }

 private:
  static constexpr int kBins = 15;
  std::array<double, kBins> surplus_ = {};
  int64_t answers_ = 0;
};

}  // namespace traind::core
