// Adds sum_k a_k lambda_k p_k to every pixel (Krizhevsky et al. 2012, section 4.1, slide 91): p_k and lambda_k the
// eigenvectors and eigenvalues of the covariance C of the colours of the training split, a_k ~ N(0, std^2). That is a
// normal offset with the covariance std^2 C C, so it is drawn as std * C z: no axes need to be found. Eigenvalues are
// squares of colours, which count as 0 to 1 (as in every public implementation: those of ImageNet are 0.2175, 0.0188
// and 0.0045); of bytes the offset is divided by 255 for it.
#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "core/base/vectorize.h"
#include "core/kinds/augmentation.h"

namespace traind::core {
namespace {

template <class T>
TRAIND_VECTORIZED void AddOffset(T* x, float offset, int64_t n) {
  for (int64_t i = 0; i < n; ++i) x[i] = ToPixel<T>(static_cast<float>(x[i]) + offset);
}

using Matrix = std::array<std::array<double, 3>, 3>;

// In one pass, from the differences to the first pixel, which lose nothing where the mean is far from zero.
Matrix ColourCovariance(const TrainingExamples& examples, int64_t pixels) {
  std::array<double, 3> shift = {};
  std::array<double, 3> sum = {};
  Matrix products = {};
  bool first = true;
  examples.for_each([&](const float* x) {
    if (first) shift = {double{x[0]}, double{x[pixels]}, double{x[2 * pixels]}};
    first = false;
    for (int64_t i = 0; i < pixels; ++i) {
      const std::array<double, 3> d = {x[i] - shift[0], x[pixels + i] - shift[1], x[2 * pixels + i] - shift[2]};
      for (int a = 0; a < 3; ++a) {
        sum[a] += d[a];
        for (int b = 0; b <= a; ++b) products[a][b] += d[a] * d[b];
      }
    }
  });
  const double n = static_cast<double>(examples.count) * static_cast<double>(pixels);
  Matrix covariance = {};
  for (int a = 0; a < 3; ++a) {
    for (int b = 0; b <= a; ++b) {
      covariance[a][b] = covariance[b][a] = products[a][b] / n - sum[a] / n * (sum[b] / n);
    }
  }
  return covariance;
}

class PcaLightingAugmentation final : public ImageAugmentation {
 public:
  explicit PcaLightingAugmentation(double std) : std_(static_cast<float>(std)), factor_(9) {}

  Shape SetShape(const Shape& shape, const FieldErrors& errors) override {
    if (shape[0] != 3) errors.Add(absl::StrCat("needs images of three channels; they have ", shape[0]));
    return shape;
  }
  bool needs_fit() const override { return true; }
  void Fit(const TrainingExamples& examples, int64_t pixels) override {
    const Matrix c = ColourCovariance(examples, pixels);
    const bool bytes = examples.type == v1::ELEMENT_TYPE_UINT8;
    for (int i = 0; i < 9; ++i) factor_[i] = static_cast<float>(c[i / 3][i % 3] / (bytes ? 255 : 1));
    largest_std_ = bytes ? 0 : std::sqrt(std::max({c[0][0], c[1][1], c[2][2]}));
  }
  std::vector<std::string> warnings() const override {
    if (!(largest_std_ > 1)) return {};
    return {absl::StrCat("pca_lighting: colours are taken to be 0 to 1, and these have a standard deviation of ",
                         largest_std_, ": store them as bytes, or divided by their range")};
  }
  std::vector<Tensor> parameters() const override { return {{"factor", {3, 3}, factor_}}; }
  std::vector<Tensor> parameter_shapes() const override { return {{"factor", {3, 3}, {}}}; }
  void SetParameters(absl::Span<const Tensor> parameters) override { factor_ = parameters[0].values; }

  void Apply(Draw& draw, Workspace& work) const override {
    const std::array<float, 3> z = {draw.Normal(), draw.Normal(), draw.Normal()};
    const int64_t n = work.image.plane();
    WithPixelType(work.image.type, [&](auto pixel) {
      auto* x = work.image.pixels<decltype(pixel)>();
      for (int c = 0; c < 3; ++c) {
        const float offset = factor_[3 * c] * z[0] + factor_[3 * c + 1] * z[1] + factor_[3 * c + 2] * z[2];
        AddOffset(x + c * n, std_ * offset, n);
      }
    });
  }

 private:
  const float std_;
  std::vector<float> factor_;  // C over the range, [3, 3] row-major.
  double largest_std_ = 0;     // Of a channel of floats. Of Fit.
};

const Registered<Augmentation, v1::PcaLighting> kPcaLighting(
    "Adds a random multiple of the principal colour axes of the training split (slide 91).",
    [](v1::PcaLighting& config, const FieldErrors& errors) {
      if (!config.has_std()) config.set_std(0.1);
      Require(config.std() > 0 && config.std() <= 10, errors, "std", "above 0 and at most 10", config.std());
      return std::make_unique<PcaLightingAugmentation>(config.std());
    });

}  // namespace
}  // namespace traind::core
