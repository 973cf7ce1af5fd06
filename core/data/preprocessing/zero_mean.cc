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

class ZeroMeanTransform final : public CentringTransform {
 public:
  explicit ZeroMeanTransform(const v1::ZeroMean& config)
      : CentringTransform(config.grouping(), v1::GROUPING_PER_FEATURE) {}

  void Fit(const TrainingExamples& examples) override {
    const GroupMoments moments = ComputeMoments(examples, groups());
    SetMean(std::vector<float>(moments.mean.begin(), moments.mean.end()));
  }
  std::vector<Tensor> parameters() const override { return {{"mean", groups().shape, mean()}}; }
  std::vector<Tensor> parameter_shapes() const override { return {{"mean", groups().shape, {}}}; }
  void SetParameters(absl::Span<const Tensor> parameters) override { SetMean(parameters[0].values); }
  void Apply(float* example) const override { Subtract(example, feature_mean(), groups().features()); }
};

const Registered<Transform, v1::ZeroMean> kZeroMean(
    "x - mean over the training split, per feature (the mean image) or per channel",
    [](v1::ZeroMean& config, const FieldErrors& errors) -> std::unique_ptr<Transform> {
      CheckGrouping(config.grouping(), errors);
      if (config.grouping() == v1::GROUPING_UNSPECIFIED) config.set_grouping(v1::GROUPING_PER_FEATURE);
      return std::make_unique<ZeroMeanTransform>(config);
    });

}  // namespace
}  // namespace traind::core
