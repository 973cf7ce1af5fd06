// A random orthonormal matrix times a gain (Saxe et al. 2013, slide 67), uniform over all of them (Haar measure): the Q
// of the QR decomposition of a Gaussian matrix, whose R has a positive diagonal (Mezzadri 2007). Q is a product of
// Householder reflections, and what each of them would see of the Gaussian matrix is Gaussian again, so that they are
// drawn as they are (Stewart 1980) and nothing needs to be decomposed.
#include <Eigen/Core>
#include <Eigen/Householder>
#include <algorithm>
#include <cmath>
#include <memory>

#include "core/base/parallel.h"
#include "core/base/require.h"
#include "core/initializers/distributions.h"
#include "core/kinds/initializer.h"

namespace traind::core {
namespace {

using Matrix = Eigen::MatrixXf;
using RowMajor = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

// Columns of Q that are computed together, whatever the number of threads.
constexpr int64_t kPanel = 256;

class OrthogonalInitializer final : public Initializer {
 public:
  explicit OrthogonalInitializer(float gain) : gain_(gain) {}

  void Fill(absl::Span<const int64_t> shape, Fans /*fans*/, const RandomStream& random,
            absl::Span<float> values) const override {
    if (values.empty()) return;
    const int64_t units = shape.empty() ? 1 : shape[0];
    const int64_t inputs = static_cast<int64_t>(values.size()) / units;
    const int64_t length = std::max(units, inputs);
    const int64_t columns = std::min(units, inputs);  // Orthonormal ones, of this length.

    // Column k from its diagonal on is the vector that reflection k maps to the axis k.
    Matrix reflections(length, columns);
    FillNormal(random, 0, 1, absl::MakeSpan(reflections.data(), reflections.size()));
    Eigen::VectorXf coefficients(columns);
    Eigen::VectorXf signs(columns);
    ParallelFor(columns, 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t k = begin; k < end; ++k) {
        float diagonal = 0;
        reflections.col(k).tail(length - k).makeHouseholderInPlace(coefficients[k], diagonal);
        signs[k] = diagonal < 0 ? -gain_ : gain_;
      }
    });
    ParallelFor((columns + kPanel - 1) / kPanel, 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t panel = begin; panel < end; ++panel) {
        const int64_t first = panel * kPanel;
        const int64_t n = std::min(kPanel, columns - first);
        const int64_t reach = first + n;  // Later reflections leave these axes alone.
        Matrix q = Matrix::Zero(length, n);
        q.block(first, 0, n, n).diagonal() = signs.segment(first, n);
        const auto seen = reflections.leftCols(reach);
        q.applyOnTheLeft(Eigen::householderSequence(seen, coefficients.head(reach)));
        if (units >= inputs) {
          Eigen::Map<RowMajor>(values.data(), units, inputs).middleCols(first, n) = q;
        } else {
          Eigen::Map<Matrix>(values.data(), inputs, units).middleCols(first, n) = q;  // The rows of W, one by one.
        }
      }
    });
  }

 private:
  const float gain_;
};

const Registered<Initializer, v1::Orthogonal> kOrthogonal(
    "Orthonormal rows or columns, whichever are fewer, times a gain (slide 67).",
    [](v1::Orthogonal& config, const FieldErrors& errors) {
      if (!config.has_gain()) config.set_gain(1);
      Require(IsPositiveFloat(config.gain()), errors, "gain", "finite and above 0", config.gain());
      return std::make_unique<OrthogonalInitializer>(static_cast<float>(config.gain()));
    });

}  // namespace
}  // namespace traind::core
