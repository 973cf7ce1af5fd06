#include "core/data/feature_sample.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "core/base/vectorize.h"

namespace traind::core {
namespace {

constexpr int64_t kMostFeatures = int64_t{1} << 18;

TRAIND_VECTORIZED void AddDifferences(const float* x, const float* first, int64_t n, double* sum, double* squares,
                                      uint8_t* varies) {
  for (int64_t i = 0; i < n; ++i) {
    const double difference = static_cast<double>(x[i]) - static_cast<double>(first[i]);
    sum[i] += difference;
    squares[i] += difference * difference;
    varies[i] = static_cast<uint8_t>(varies[i] | (x[i] != first[i] ? 1 : 0));
  }
}

// One step for each number, so that equal sequences alone have equal hashes, but for one chance in 2^64. -0 is 0.
TRAIND_VECTORIZED void MixFeatures(const float* x, int64_t n, uint64_t* hash) {
  for (int64_t i = 0; i < n; ++i) {
    const uint64_t mixed = (hash[i] ^ std::bit_cast<uint32_t>(x[i] + 0.0F)) * 0x9E3779B97F4A7C15;
    hash[i] = mixed ^ (mixed >> 29);
  }
}

}  // namespace

FeatureSample::FeatureSample(int64_t features) : features_(features) {
  const auto count = static_cast<size_t>(std::min(features, kMostFeatures));
  chosen_.resize(count);
  first_.resize(count);
  sum_.resize(count);
  squares_.resize(count);
  hash_.resize(count);
  varies_.resize(count);
}

int64_t FeatureSample::Bytes(int64_t features) {
  constexpr int64_t kOfOne = 2 * sizeof(float) + 2 * sizeof(double) + sizeof(uint64_t) + sizeof(uint8_t);
  constexpr int64_t kCounting = 3 * sizeof(uint64_t);  // A list of hashes, as it grows.
  return std::min(features, kMostFeatures) * (kOfOne + kCounting);
}

void FeatureSample::Add(const std::vector<float>& example) {
  const auto count = static_cast<int64_t>(chosen_.size());
  for (int64_t i = 0; i < count; ++i) chosen_[i] = example[i * features_ / count];
  if (examples_++ == 0) first_ = chosen_;
  AddDifferences(chosen_.data(), first_.data(), count, sum_.data(), squares_.data(), varies_.data());
  MixFeatures(chosen_.data(), count, hash_.data());
}

int64_t FeatureSample::Duplicated() const {
  std::vector<uint64_t> hashes;
  for (size_t i = 0; i < hash_.size(); ++i) {
    if (varies_[i] != 0) hashes.push_back(hash_[i]);
  }
  std::sort(hashes.begin(), hashes.end());
  return static_cast<int64_t>(hashes.end() - std::unique(hashes.begin(), hashes.end()));
}

FeatureSample::Moments FeatureSample::MomentsOf(size_t i) const {
  const auto n = static_cast<double>(examples_);
  const double mean = sum_[i] / n;
  return {.mean = first_[i] + mean, .variance = std::max(0.0, squares_[i] / n - mean * mean)};
}

double FeatureSample::ShiftTo(const FeatureSample& other) const {
  constexpr double kLeastOfOther = 0.01;  // Of the variance.
  if (examples_ == 0 || other.examples_ == 0) return 0;
  double sum = 0, count = 0;
  for (size_t i = 0; i < sum_.size(); ++i) {
    const Moments here = MomentsOf(i), there = other.MomentsOf(i);
    if (varies_[i] == 0 || !(here.variance > 0)) continue;
    const double difference = there.mean - here.mean;
    const double squared = difference * difference / std::max(here.variance, kLeastOfOther * there.variance);
    if (!std::isfinite(squared)) continue;
    sum += squared;
    count += 1;
  }
  return count == 0 ? 0 : std::sqrt(sum / count);
}

}  // namespace traind::core
