// y = (x - mean) / std, mean and standard deviation of each feature or channel over the training split. What is
// constant there is divided by 1, as by scikit-learn's StandardScaler: another value at test time is then as far off as
// it is, not a million standard deviations. Kept apart as a subtraction and a multiplication: a feature that never
// changes equals its mean exactly and stays zero.
#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/vectorize.h"
#include "core/data/preprocessing/moments.h"
#include "core/kinds/transform.h"

namespace traind::core {
namespace {

// A deviation below this share of the mean is warned of: float32 has hardly three digits of it left.
constexpr double kLeastOfMean = 1e-4;
// Pixels share one unit, so that one whose deviation is below this share of the largest hardly varies.
constexpr double kLeastOfLargest = 1e-2;

TRAIND_VECTORIZED void StandardizeLoop(float* x, const float* mean, const float* inverse, int64_t n) {
  for (int64_t i = 0; i < n; ++i) x[i] = (x[i] - mean[i]) * inverse[i];
}

// Whether a variance over n values is no more than the rounding of sums in double: scikit-learn's
// _is_constant_feature (sklearn/preprocessing/_data.py).
bool IsRounding(double mean, double std, double n) {
  constexpr double kEpsilon = std::numeric_limits<double>::epsilon();
  const double variance = std * std;
  return variance <= n * kEpsilon * variance + (n * mean * kEpsilon) * (n * mean * kEpsilon);
}

class StandardizeTransform final : public CentringTransform {
 public:
  explicit StandardizeTransform(const v1::Standardize& config)
      : CentringTransform(config.grouping(), v1::GROUPING_PER_CHANNEL),
        epsilon_(static_cast<float>(config.epsilon())) {}

  void FillIn(v1::Preprocessing& config) const override {
    if (config.has_standardize()) config.mutable_standardize()->set_grouping(grouping());
  }
  void Fit(const TrainingExamples& examples) override {
    GroupMoments moments = ComputeMoments(examples, groups());
    const double values = static_cast<double>(examples.count) * static_cast<double>(groups().width);
    for (size_t g = 0; g < moments.std.size(); ++g) {
      if (IsRounding(moments.mean[g], moments.std[g], values)) moments.std[g] = 0;
    }
    Set(std::vector<float>(moments.mean.begin(), moments.mean.end()),
        std::vector<float>(moments.std.begin(), moments.std.end()));
  }
  std::vector<std::string> warnings() const override {
    if (std_.empty()) return {};
    const bool pixels = grouping() == v1::GROUPING_PER_FEATURE && groups().shape.size() == 3;
    const float largest = *std::max_element(std_.begin(), std_.end());
    std::vector<int64_t> beside_mean, beside_largest, tiny;
    for (int64_t g = 0; g < groups().count; ++g) {
      if (std_[g] == 0) continue;
      if (IsConstant(std_[g])) {
        tiny.push_back(g);
      } else if (std_[g] < kLeastOfMean * std::abs(mean()[g])) {
        beside_mean.push_back(g);
      } else if (pixels && std_[g] < kLeastOfLargest * largest) {
        beside_largest.push_back(g);
      }
    }
    std::vector<std::string> warnings;
    if (!tiny.empty()) {
      warnings.push_back(absl::StrCat(Which(tiny), " has a standard deviation of ", std_[tiny[0]],
                                      ", at most epsilon, and is only centred; if it is no noise, lower epsilon"));
    }
    if (!beside_mean.empty()) {
      const int64_t first = beside_mean[0];
      warnings.push_back(absl::StrCat(Which(beside_mean), " hardly varies beside its mean (standard deviation ",
                                      std_[first], ", mean ", mean()[first],
                                      "), so that small differences at test time become huge: leave it out, or centre ",
                                      "it before it is stored as float32"));
    }
    if (!beside_largest.empty()) {
      warnings.push_back(absl::StrCat(
          Which(beside_largest), " hardly varies (standard deviation ", std_[beside_largest[0]], ", the largest is ",
          largest, "), so that at test time it may be hundreds of standard deviations away; grouping: PER_CHANNEL ",
          "divides all pixels of a channel by one"));
    }
    return warnings;
  }
  std::vector<Tensor> parameters() const override {
    return {{"mean", groups().shape, mean()}, {"std", groups().shape, std_}};
  }
  std::vector<Tensor> parameter_shapes() const override {
    return {{"mean", groups().shape, {}}, {"std", groups().shape, {}}};
  }
  void SetParameters(absl::Span<const Tensor> parameters) override { Set(parameters[0].values, parameters[1].values); }
  void Apply(float* example) const override {
    StandardizeLoop(example, feature_mean(), feature_inverse_.data(), groups().features());
  }

 private:
  bool IsConstant(float std) const { return std <= epsilon_; }

  // "feature 3 (and 7 more of 784)"
  std::string Which(const std::vector<int64_t>& which) const {
    const char* kind = grouping() == v1::GROUPING_PER_CHANNEL ? "channel " : "feature ";
    const std::string more =
        which.size() == 1 ? "" : absl::StrCat(" (and ", which.size() - 1, " more of ", groups().count, ")");
    return absl::StrCat("standardize: ", kind, which[0], more);
  }

  void Set(std::vector<float> mean, std::vector<float> std) {
    SetMean(std::move(mean));
    std_ = std::move(std);
    std::vector<float> inverse(std_.size());
    for (size_t i = 0; i < inverse.size(); ++i) inverse[i] = IsConstant(std_[i]) ? 1.0f : 1.0f / std_[i];
    feature_inverse_ = ExpandToFeatures(inverse, groups());
  }

  const float epsilon_;
  std::vector<float> std_;              // By group; 0 for a constant.
  std::vector<float> feature_inverse_;  // By feature.
};

const Registered<Transform, v1::Standardize> kStandardize(
    "(x - mean) / std over the training split, per feature or per channel; a constant is only centred",
    [](v1::Standardize& config, const FieldErrors& errors) -> std::unique_ptr<Transform> {
      CheckGrouping(config.grouping(), errors);
      if (!config.has_epsilon()) config.set_epsilon(1e-7);
      const float epsilon = static_cast<float>(config.epsilon());
      if (!(std::isnormal(epsilon) && epsilon > 0)) errors.At("epsilon").Add("must be a positive float32");
      return std::make_unique<StandardizeTransform>(config);
    });

}  // namespace
}  // namespace traind::core
