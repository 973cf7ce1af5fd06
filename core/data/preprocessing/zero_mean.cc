// y = x - mean, the mean of each feature (the mean image) or channel over the training split.
#include <memory>
#include <vector>

#include "core/base/vectorize.h"
#include "core/data/preprocessing/moments.h"
#include "core/kinds/transform.h"

namespace traind::core {
namespace {

TRAIND_VECTORIZED void Subtract(float* x, const float* mean, int64_t n) {
  for (int64_t i = 0; i < n; ++i) x[i] -= mean[i];
}

class ZeroMeanTransform final : public Transform {
 public:
  explicit ZeroMeanTransform(const v1::ZeroMean& config) : grouping_(config.grouping()) {}

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
    SetMean(std::vector<float>(moments.mean.begin(), moments.mean.end()));
  }
  std::vector<Tensor> parameters() const override { return {{"mean", groups_.shape, mean_}}; }
  std::vector<Tensor> parameter_shapes() const override { return {{"mean", groups_.shape, {}}}; }
  void SetParameters(absl::Span<const Tensor> parameters) override { SetMean(parameters[0].values); }
  void Apply(float* example) const override { Subtract(example, feature_mean_.data(), groups_.features()); }

 private:
  void SetMean(std::vector<float> mean) {
    mean_ = std::move(mean);
    feature_mean_ = ExpandToFeatures(mean_, groups_);
  }

  const v1::Grouping grouping_;
  Groups groups_;
  std::vector<float> mean_;          // By group.
  std::vector<float> feature_mean_;  // By feature.
};

const Registered<Transform, v1::ZeroMean> kZeroMean(
    "x - mean over the training split, per feature (the mean image) or per channel",
    [](v1::ZeroMean& config, const FieldErrors& errors) -> std::unique_ptr<Transform> {
      config.set_grouping(ResolveGrouping(config.grouping(), errors));
      return std::make_unique<ZeroMeanTransform>(config);
    });

}  // namespace
}  // namespace traind::core
