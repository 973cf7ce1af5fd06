#include "core/data/preprocessing/data_moments.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/base/sample.h"
#include "core/base/vectorize.h"
#include "core/data/preprocessing/moments.h"

namespace traind::core {
namespace {

constexpr int64_t kExamples = 4096;
constexpr int64_t kCorrelated = 256;  // Features whose pairs are looked at.
constexpr int64_t kShown = 16;        // Features whose covariance is reported.
constexpr double kConstant = 1e-12;   // Of the largest variance: no more than rounding.

TRAIND_VECTORIZED void AddScaled(const double* x, double factor, int64_t n, double* sum) {
  for (int64_t i = 0; i < n; ++i) sum[i] += factor * x[i];
}

// `count` of `n` indices, evenly spread, the first one 0.
std::vector<int64_t> Spread(int64_t n, int64_t count) {
  std::vector<int64_t> indices(static_cast<size_t>(std::min(n, count)));
  const auto m = static_cast<int64_t>(indices.size());
  for (int64_t i = 0; i < m; ++i) indices[i] = i * n / m;
  return indices;
}

}  // namespace

v1::DataMoments ComputeDataMoments(int64_t count, int64_t features,
                                   const std::function<const float*(int64_t)>& example) {
  const std::vector<uint32_t> sample = SampleOf(count, kExamples);
  const auto examples = static_cast<double>(sample.size());
  std::vector<double> mean(static_cast<size_t>(features));
  for (const uint32_t i : sample) AddValues(example(i), features, mean.data());
  for (double& value : mean) value /= examples;

  const std::vector<int64_t> chosen = Spread(features, kCorrelated);
  const auto n = static_cast<int64_t>(chosen.size());
  std::vector<double> variance(static_cast<size_t>(features));
  std::vector<double> covariance(static_cast<size_t>(n * n));
  std::vector<double> centred(static_cast<size_t>(n));
  for (const uint32_t i : sample) {
    const float* x = example(i);
    AddSquaredDistances(x, mean.data(), features, variance.data());
    for (int64_t k = 0; k < n; ++k) centred[k] = static_cast<double>(x[chosen[k]]) - mean[chosen[k]];
    for (int64_t k = 0; k < n; ++k) AddScaled(centred.data(), centred[k], n, covariance.data() + k * n);
  }
  for (double& value : variance) value /= examples;
  for (double& value : covariance) value /= examples;

  v1::DataMoments moments;
  moments.set_features(features);
  const auto [mean_min, mean_max] = std::minmax_element(mean.begin(), mean.end());
  moments.set_mean_min(*mean_min);
  moments.set_mean_max(*mean_max);
  const auto [variance_min, variance_max] = std::minmax_element(variance.begin(), variance.end());
  moments.set_variance_min(*variance_min);
  moments.set_variance_max(*variance_max);

  double correlation = 0;
  int64_t pairs = 0;
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < i; ++j) {
      const double vi = covariance[i * n + i], vj = covariance[j * n + j];
      if (std::min(vi, vj) <= kConstant * *variance_max) continue;
      correlation += std::abs(covariance[i * n + j]) / (std::sqrt(vi) * std::sqrt(vj));
      ++pairs;
    }
  }
  moments.set_mean_absolute_correlation(pairs == 0 ? 0 : correlation / static_cast<double>(pairs));
  // Of all features when they are few; else spread over those looked at, which are spread over all.
  const std::vector<int64_t> shown = Spread(n, kShown);
  for (const int64_t i : shown) {
    for (const int64_t j : shown) moments.add_covariance(covariance[i * n + j]);
  }
  return moments;
}

}  // namespace traind::core
