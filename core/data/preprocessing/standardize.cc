// y = (x - mean) / max(std, epsilon), mean and standard deviation of each feature or channel over the training split.
// Kept apart as a subtraction and a multiplication: a feature that never changes equals its mean exactly and stays
// zero.
#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "core/base/vectorize.h"
#include "core/data/preprocessing/moments.h"
#include "core/kinds/transform.h"

namespace traind::core {
namespace {

TRAIND_VECTORIZED void StandardizeLoop(float* x, const float* mean, const float* inverse, int64_t n) {
  for (int64_t i = 0; i < n; ++i) x[i] = (x[i] - mean[i]) * inverse[i];
}

class StandardizeTransform final : public CentringTransform {
 public:
  explicit StandardizeTransform(const v1::Standardize& config)
      : CentringTransform(config.grouping()), epsilon_(static_cast<float>(config.epsilon())) {}

  void Fit(const TrainingExamples& examples) override {
    const GroupMoments moments = ComputeMoments(examples, groups());
    Set(std::vector<float>(moments.mean.begin(), moments.mean.end()),
        std::vector<float>(moments.std.begin(), moments.std.end()));
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
  void Set(std::vector<float> mean, std::vector<float> std) {
    SetMean(std::move(mean));
    std_ = std::move(std);
    std::vector<float> inverse(std_.size());
    for (size_t i = 0; i < inverse.size(); ++i) inverse[i] = 1.0f / std::max(std_[i], epsilon_);
    feature_inverse_ = ExpandToFeatures(inverse, groups());
  }

  const float epsilon_;
  std::vector<float> std_;              // By group.
  std::vector<float> feature_inverse_;  // By feature.
};

const Registered<Transform, v1::Standardize> kStandardize(
    "(x - mean) / max(std, epsilon) over the training split, per feature or per channel",
    [](v1::Standardize& config, const FieldErrors& errors) -> std::unique_ptr<Transform> {
      config.set_grouping(ResolveGrouping(config.grouping(), errors));
      if (!config.has_epsilon()) config.set_epsilon(1e-7);
      const float epsilon = static_cast<float>(config.epsilon());
      if (!(std::isnormal(epsilon) && epsilon > 0)) errors.At("epsilon").Add("must be a positive float32");
      return std::make_unique<StandardizeTransform>(config);
    });

}  // namespace
}  // namespace traind::core
