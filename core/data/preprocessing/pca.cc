// y = A (x - mean), the rows of A the first principal axes of the training split.
#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/data/preprocessing/principal_axes.h"
#include "core/kinds/transform.h"

namespace traind::core {
namespace {

class PcaTransform final : public Transform {
 public:
  explicit PcaTransform(const v1::Pca& config) : config_(config) {}

  Shape SetShape(const Shape& shape, const FieldErrors& errors) override {
    shape_ = shape;
    features_ = CheckAxes(shape, errors);
    if (features_ == 0) return shape;
    outputs_ = config_.components() > 0 ? config_.components() : features_;
    if (outputs_ > features_) {
      errors.At("components")
          .Add(absl::StrCat("must be at most ", features_, ", the numbers of an example, not ", outputs_));
      outputs_ = features_;
    }
    return {outputs_};
  }
  bool needs_fit() const override { return true; }
  bool centres() const override { return true; }
  int64_t memory_bytes() const override { return PrincipalAxesBytes(features_) + 4 * 3 * features_ * outputs_; }
  void Fit(const TrainingExamples& examples) override {
    const PrincipalAxes axes = ComputePrincipalAxes(examples, features_);
    std::vector<float> components(axes.axes.begin(), axes.axes.begin() + outputs_ * features_);
    std::fill(components.begin() + Kept(axes.variances) * features_, components.end(), 0.0f);
    Set({axes.mean.begin(), axes.mean.end()}, std::move(components),
        {axes.variances.begin(), axes.variances.begin() + outputs_});
  }
  std::vector<Tensor> parameters() const override {
    return {{"mean", shape_, mean_},
            {"components", {outputs_, features_}, components_},
            {"variances", {outputs_}, variances_}};
  }
  std::vector<Tensor> parameter_shapes() const override {
    return {{"mean", shape_, {}}, {"components", {outputs_, features_}, {}}, {"variances", {outputs_}, {}}};
  }
  void SetParameters(absl::Span<const Tensor> parameters) override {
    Set(parameters[0].values, parameters[1].values, parameters[2].values);
  }
  void Apply(float* example) const override { ApplyAffine(mean_, transposed_, outputs_, example); }

 private:
  // How many components the configuration keeps.
  int64_t Kept(const std::vector<double>& variances) const {
    if (config_.variance_share() == 0) return outputs_;
    const double wanted = config_.variance_share() * std::accumulate(variances.begin(), variances.end(), 0.0);
    double sum = 0;
    int64_t kept = 0;
    while (kept < outputs_ && sum < wanted) sum += variances[kept++];
    return kept;
  }
  void Set(std::vector<float> mean, std::vector<float> components, std::vector<float> variances) {
    mean_ = std::move(mean);
    components_ = std::move(components);
    variances_ = std::move(variances);
    transposed_ = Transposed(components_, outputs_, features_);
  }

  const v1::Pca config_;
  Shape shape_;
  int64_t features_ = 0;
  int64_t outputs_ = 0;
  std::vector<float> mean_;
  std::vector<float> components_;  // Zero rows where variance_share leaves a component out.
  std::vector<float> variances_;   // Of all components that there are, kept or not.
  std::vector<float> transposed_;  // Of components_.
};

const Registered<Transform, v1::Pca> kPca(
    "rotated to the principal axes of the training split; the first k, or those that hold a share of the variance",
    [](v1::Pca& config, const FieldErrors& errors) -> std::unique_ptr<Transform> {
      const double share = config.variance_share();
      if (!(share >= 0 && share <= 1))
        errors.At("variance_share").Add("must be above 0 and at most 1, or 0 to keep all");
      if (config.components() > 0 && share != 0) {
        errors.At("variance_share").Add("cannot be given together with components");
      }
      return std::make_unique<PcaTransform>(config);
    });

}  // namespace
}  // namespace traind::core
