// y = D V^T (x - mean), or V D V^T (x - mean) for ZCA, with the principal axes V of the training split and
// D = 1 / sqrt(variance + epsilon). An axis along which the split varies by no more than rounding gets an epsilon of at
// least the default: what differs along it at test time is not blown up.
#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/data/preprocessing/principal_axes.h"
#include "core/kinds/transform.h"

namespace traind::core {
namespace {

// Of the mean variance, where no epsilon is given.
constexpr double kDefaultEpsilon = 1e-2;
// Of the largest variance, for each number of an example: what the eigenvalues of a covariance in double are off by.
constexpr double kRounding = std::numeric_limits<double>::epsilon();
// One axis is scaled by more than this times another: it is warned of.
constexpr double kMostApart = 1e3;

class WhitenTransform final : public Transform {
 public:
  explicit WhitenTransform(const v1::Whiten& config) : config_(config) {}

  Shape SetShape(const Shape& shape, const FieldErrors& errors) override {
    shape_ = shape;
    features_ = CheckAxes(shape, errors);
    return config_.form() == v1::Whiten::FORM_PCA && features_ > 0 ? Shape{features_} : shape;
  }
  bool needs_fit() const override { return true; }
  bool centres() const override { return true; }
  int64_t memory_bytes() const override { return PrincipalAxesBytes(features_) + 4 * 3 * features_ * features_; }
  void Fit(const TrainingExamples& examples) override {
    PrincipalAxes axes = ComputePrincipalAxes(examples, features_);
    std::vector<double> scales = axes.variances;
    const double mean = std::accumulate(scales.begin(), scales.end(), 0.0) / static_cast<double>(features_);
    const double least = kDefaultEpsilon * mean;
    const double epsilon = config_.has_epsilon() ? config_.epsilon() : least;
    const double rounding = kRounding * static_cast<double>(features_) * axes.variances[0];
    // Without any variance every centred example is zero, and stays so.
    for (double& scale : scales) {
      const double variance = scale + (scale <= rounding ? std::max(epsilon, least) : epsilon);
      scale = variance > 0 ? 1 / std::sqrt(variance) : 0;
    }
    apart_ = scales[0] > 0 ? *std::max_element(scales.begin(), scales.end()) / scales[0] : 1;
    if (config_.form() == v1::Whiten::FORM_ZCA) {
      axes.axes = RotateBack(axes, scales, examples);
    } else {
      for (int64_t i = 0; i < features_ * features_; ++i) axes.axes[i] *= scales[i / features_];
    }
    Set({axes.mean.begin(), axes.mean.end()}, {axes.axes.begin(), axes.axes.end()});
  }
  std::vector<std::string> warnings() const override {
    if (!(apart_ > kMostApart)) return {};
    return {absl::StrCat("whiten: an axis that hardly varies in training is scaled by ", apart_,
                         " times as much as the first one, so that at test time noise along it may drown the rest; ",
                         "raise epsilon (the default is 1/100 of the mean variance)")};
  }
  std::vector<Tensor> parameters() const override {
    return {{"mean", shape_, mean_}, {"matrix", {features_, features_}, matrix_}};
  }
  std::vector<Tensor> parameter_shapes() const override {
    return {{"mean", shape_, {}}, {"matrix", {features_, features_}, {}}};
  }
  void SetParameters(absl::Span<const Tensor> parameters) override { Set(parameters[0].values, parameters[1].values); }
  void Apply(float* example) const override { ApplyAffine(mean_, transposed_, features_, example); }

 private:
  void Set(std::vector<float> mean, std::vector<float> matrix) {
    mean_ = std::move(mean);
    matrix_ = std::move(matrix);
    transposed_ = Transposed(matrix_, features_, features_);
  }

  const v1::Whiten config_;
  Shape shape_;
  int64_t features_ = 0;
  double apart_ = 1;  // The largest scale, in scales of the first axis. Of Fit.
  std::vector<float> mean_;
  std::vector<float> matrix_;
  std::vector<float> transposed_;
};

const Registered<Transform, v1::Whiten> kWhiten(
    "decorrelated, and each principal axis of the training split brought to variance one; PCA or ZCA",
    [](v1::Whiten& config, const FieldErrors& errors) -> std::unique_ptr<Transform> {
      if (!v1::Whiten::Form_IsValid(config.form())) errors.At("form").Add("must be PCA or ZCA");
      if (config.form() == v1::Whiten::FORM_UNSPECIFIED) config.set_form(v1::Whiten::FORM_ZCA);
      if (config.has_epsilon()) {
        const auto epsilon = static_cast<float>(config.epsilon());
        if (!(std::isnormal(epsilon) && epsilon > 0)) errors.At("epsilon").Add("must be a positive float32");
      }
      return std::make_unique<WhitenTransform>(config);
    });

}  // namespace
}  // namespace traind::core
