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

class StandardizeTransform final : public Transform {
 public:
  explicit StandardizeTransform(const v1::Standardize& config)
      : grouping_(config.grouping()), epsilon_(static_cast<float>(config.epsilon())) {}

  Shape SetShape(const Shape& shape, const FieldErrors& errors) override {
    groups_ = MakeGroups(grouping_, shape, errors);
    return shape;
  }
  bool needs_fit() const override { return true; }
  bool centres() const override { return true; }
  // In double while fitting, and as floats by group and by feature.
  int64_t memory_bytes() const override { return 64 * groups_.features(); }
  void Fit(const TrainingExamples& examples) override {
    const GroupMoments moments = ComputeMoments(examples, groups_);
    Set(std::vector<float>(moments.mean.begin(), moments.mean.end()),
        std::vector<float>(moments.std.begin(), moments.std.end()));
  }
  std::vector<Tensor> parameters() const override {
    return {{"mean", groups_.shape, mean_}, {"std", groups_.shape, std_}};
  }
  std::vector<Tensor> parameter_shapes() const override {
    return {{"mean", groups_.shape, {}}, {"std", groups_.shape, {}}};
  }
  void SetParameters(absl::Span<const Tensor> parameters) override { Set(parameters[0].values, parameters[1].values); }
  void Apply(float* example) const override {
    StandardizeLoop(example, feature_mean_.data(), feature_inverse_.data(), groups_.features());
  }

 private:
  void Set(std::vector<float> mean, std::vector<float> std) {
    mean_ = std::move(mean);
    std_ = std::move(std);
    std::vector<float> inverse(std_.size());
    for (size_t i = 0; i < inverse.size(); ++i) inverse[i] = 1.0f / std::max(std_[i], epsilon_);
    feature_mean_ = ExpandToFeatures(mean_, groups_);
    feature_inverse_ = ExpandToFeatures(inverse, groups_);
  }

  const v1::Grouping grouping_;
  const float epsilon_;
  Groups groups_;
  std::vector<float> mean_;  // By group.
  std::vector<float> std_;
  std::vector<float> feature_mean_;  // By feature.
  std::vector<float> feature_inverse_;
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
