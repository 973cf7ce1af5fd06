#include "core/data/preprocessing/moments.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "core/base/vectorize.h"

namespace traind::core {
namespace {

// From sums per feature to one mean per group.
std::vector<double> Averages(const std::vector<double>& sums, const Groups& groups, int64_t examples) {
  std::vector<double> averages(static_cast<size_t>(groups.count));
  for (int64_t g = 0; g < groups.count; ++g) {
    double sum = 0;
    for (int64_t i = g * groups.width; i < (g + 1) * groups.width; ++i) sum += sums[i];
    averages[g] = sum / (static_cast<double>(examples) * static_cast<double>(groups.width));
  }
  return averages;
}

}  // namespace

void CheckGrouping(v1::Grouping grouping, const FieldErrors& errors) {
  if (!v1::Grouping_IsValid(grouping)) errors.At("grouping").Add("must be PER_FEATURE or PER_CHANNEL");
}

std::vector<float> ExpandToFeatures(const std::vector<float>& by_group, const Groups& groups) {
  std::vector<float> by_feature(static_cast<size_t>(groups.features()));
  for (int64_t i = 0; i < groups.features(); ++i) by_feature[i] = by_group[i / groups.width];
  return by_feature;
}

Groups MakeGroups(v1::Grouping grouping, const Shape& example_shape, const FieldErrors& errors) {
  if (grouping != v1::GROUPING_PER_CHANNEL)
    return {.count = Elements(example_shape), .width = 1, .shape = example_shape};
  if (example_shape.size() != 3) {
    errors.At("grouping")
        .Add(absl::StrCat("PER_CHANNEL needs images [channels, height, width], but the examples are ",
                          ToString(example_shape)));
    return {};
  }
  return {.count = example_shape[0], .width = example_shape[1] * example_shape[2], .shape = {example_shape[0]}};
}

TRAIND_VECTORIZED void AddValues(const float* x, int64_t n, double* sum) {
  for (int64_t i = 0; i < n; ++i) sum[i] += static_cast<double>(x[i]);
}

TRAIND_VECTORIZED void AddSquaredDistances(const float* x, const double* mean, int64_t n, double* sum) {
  for (int64_t i = 0; i < n; ++i) {
    const double difference = static_cast<double>(x[i]) - mean[i];
    sum[i] += difference * difference;
  }
}

GroupMoments ComputeMoments(const TrainingExamples& examples, const Groups& groups) {
  const int64_t features = groups.features();
  std::vector<double> sums(static_cast<size_t>(features), 0.0);
  examples.for_each([&](const float* example) { AddValues(example, features, sums.data()); });
  GroupMoments moments = {.mean = Averages(sums, groups, examples.count), .std = {}};

  std::vector<double> mean(static_cast<size_t>(features));
  for (int64_t i = 0; i < features; ++i) mean[i] = moments.mean[i / groups.width];
  sums.assign(sums.size(), 0.0);
  examples.for_each([&](const float* example) { AddSquaredDistances(example, mean.data(), features, sums.data()); });
  moments.std = Averages(sums, groups, examples.count);
  for (double& value : moments.std) value = std::sqrt(value);
  return moments;
}

}  // namespace traind::core
