// The random numbers that one place in the list of augmentations draws for one example of one step, one after the
// other: a view of a RandomStream, cheap to make. Not thread-safe; each thread makes its own.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <limits>

#include "core/base/random.h"

namespace traind::core {

class Draw {
 public:
  // Stands for no example: what is drawn once for the whole minibatch.
  static constexpr uint32_t kWholeStep = std::numeric_limits<uint32_t>::max();

  Draw(const RandomStream& stream, uint64_t step, uint32_t example) : stream_(stream), step_(step), example_(example) {}

  uint32_t Word() {
    if (used_ == 4) {
      words_ = stream_.Block(step_, example_, block_++);
      used_ = 0;
    }
    return words_[used_++];
  }
  // Uniform in [0, 1).
  double Unit() { return Word() * 0x1p-32; }
  // Uniform in [low, high).
  double Uniform(double low, double high) { return low + (high - low) * Unit(); }
  // Uniform over 0 ... n - 1; no value is likelier than another by more than n / 2^32.
  int64_t Below(int64_t n) { return static_cast<int64_t>((uint64_t{Word()} * static_cast<uint64_t>(n)) >> 32); }
  float Normal() {
    const uint32_t a = Word();
    return ToNormal(a, Word())[0];
  }
  // Beta(alpha, alpha), as the share of one of two Gamma(alpha) numbers in their sum; by logarithms, because for a
  // small alpha the numbers themselves are too small for a double.
  double Beta(double alpha) {
    const double a = LogGamma(alpha);
    return 1 / (1 + std::exp(LogGamma(alpha) - a));
  }

 private:
  // The logarithm of a Gamma(alpha) number: Marsaglia & Tsang, "A simple method for generating gamma variables" (2000),
  // for alpha + 1, times U^(1 / alpha).
  double LogGamma(double alpha) {
    const double d = alpha + 1 - 1.0 / 3;
    const double c = 1 / std::sqrt(9 * d);
    while (true) {
      const double x = double{Normal()};
      const double v = 1 + c * x;
      const double u = (Word() + 0.5) * 0x1p-32;
      if (v <= 0) continue;
      const double v3 = v * v * v;
      if (std::log(u) >= 0.5 * x * x + d - d * v3 + d * std::log(v3)) continue;
      return std::log(d * v3) + std::log((Word() + 0.5) * 0x1p-32) / alpha;
    }
  }

  const RandomStream stream_;
  const uint64_t step_;
  const uint32_t example_;
  uint32_t block_ = 0;
  int used_ = 4;
  std::array<uint32_t, 4> words_ = {};
};

}  // namespace traind::core
