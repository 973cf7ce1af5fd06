// The probabilities of one example's logits, and of one output's log odds.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace traind::core {

// exp(x - m) / sum of all exp(x - m), m being the largest: in double, and without overflow.
class Softmax {
 public:
  Softmax(const float* logits, int64_t n) : largest_(*std::max_element(logits, logits + n)) {
    for (int64_t i = 0; i < n; ++i) sum_ += std::exp(logits[i] - largest_);
  }
  // Of the logit `x`, one of them.
  double operator()(float x) const { return std::exp(x - largest_) / sum_; }

 private:
  const double largest_;
  double sum_ = 0;
};

// 1 / (1 + exp(-x)), in double.
inline double Sigmoid(float x) { return 1 / (1 + std::exp(-double{x})); }

}  // namespace traind::core
