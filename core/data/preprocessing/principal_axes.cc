#include "core/data/preprocessing/principal_axes.h"

#include <Eigen/Dense>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <future>
#include <limits>

#include "absl/strings/str_cat.h"
#include "core/base/parallel.h"
#include "core/base/vectorize.h"

namespace traind::core {
namespace {

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using ConstMatrix = Eigen::Map<const Matrix>;

// Examples whose products are added together, so that a row of the covariance stays in the cache.
constexpr int64_t kBlock = 64;

TRAIND_VECTORIZED void Centre(const float* x, const double* mean, int64_t n, double* centred) {
  for (int64_t i = 0; i < n; ++i) centred[i] = static_cast<double>(x[i]) - mean[i];
}

// Row i of the upper triangle: sum[j] += the products of features i and j over the block.
TRAIND_VECTORIZED void AddProducts(const double* block, int64_t examples, int64_t n, int64_t i, double* sum) {
  int64_t e = 0;
  for (; e + 4 <= examples; e += 4) {
    const double* x0 = block + e * n;
    const double* x1 = x0 + n;
    const double* x2 = x1 + n;
    const double* x3 = x2 + n;
    const double a0 = x0[i], a1 = x1[i], a2 = x2[i], a3 = x3[i];
    for (int64_t j = i; j < n; ++j) sum[j] += (a0 * x0[j] + a1 * x1[j]) + (a2 * x2[j] + a3 * x3[j]);
  }
  for (; e < examples; ++e) {
    const double* x = block + e * n;
    const double a = x[i];
    for (int64_t j = i; j < n; ++j) sum[j] += a * x[j];
  }
}

TRAIND_VECTORIZED void AddRows(const float* rows, const float* x, int64_t n, float* y) {
  const float *r0 = rows, *r1 = r0 + n, *r2 = r1 + n, *r3 = r2 + n;
  const float a0 = x[0], a1 = x[1], a2 = x[2], a3 = x[3];
  for (int64_t i = 0; i < n; ++i) y[i] += (a0 * r0[i] + a1 * r1[i]) + (a2 * r2[i] + a3 * r3[i]);
}

TRAIND_VECTORIZED void AddRow(const float* row, float x, int64_t n, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] += x * row[i];
}

// Each element is summed in the order of the examples, by one thread: any number of threads gives the same.
Matrix Covariance(const TrainingExamples& examples, const std::vector<double>& mean) {
  const auto n = static_cast<int64_t>(mean.size());
  Matrix sums = Matrix::Zero(n, n);
  std::vector<double> block(static_cast<size_t>(kBlock * n));
  int64_t filled = 0;
  const auto add_block = [&] {
    // Strides make the threads' parts of the triangle alike.
    const int64_t stripes = std::min<int64_t>(n, 64);
    ParallelFor(stripes, 1, [&](int64_t begin, int64_t end, int /*part*/) {
      for (int64_t stripe = begin; stripe < end; ++stripe) {
        for (int64_t i = stripe; i < n; i += stripes) AddProducts(block.data(), filled, n, i, sums.data() + i * n);
      }
    });
    filled = 0;
  };
  examples.for_each([&](const float* example) {
    Centre(example, mean.data(), n, block.data() + filled * n);
    if (++filled == kBlock) add_block();
  });
  add_block();
  sums.triangularView<Eigen::StrictlyLower>() = sums.transpose().triangularView<Eigen::StrictlyLower>();
  return sums / static_cast<double>(examples.count);
}

// Work of minutes without a place to report from, while this thread says that it goes on.
void RunLong(const std::function<void()>& work, const std::function<void()>& progress) {
  std::future<void> done = std::async(std::launch::async, work);
  while (done.wait_for(std::chrono::milliseconds(100)) != std::future_status::ready) progress();
  done.get();
}

// Turns each axis to where its largest coordinate is positive.
void FixSigns(int64_t n, std::vector<double>* axes) {
  for (int64_t i = 0; i < n; ++i) {
    double* axis = axes->data() + i * n;
    const double largest =
        *std::max_element(axis, axis + n, [](double a, double b) { return std::abs(a) < std::abs(b); });
    if (largest < 0) std::transform(axis, axis + n, axis, std::negate<>());
  }
}

}  // namespace

int64_t CheckAxes(const Shape& shape, const FieldErrors& errors) {
  const int64_t n = Elements(shape);
  if (n <= kMaxAxes) return n;
  errors.Add(absl::StrCat("takes examples of at most ", kMaxAxes, " numbers, and these are ", ToString(shape), ", ", n,
                          " numbers"));
  return 0;
}

int64_t PrincipalAxesBytes(int64_t n) {
  // The covariance, the solver's copy, the axes, a product and its factor; a block of examples.
  return 8 * (5 * n * n + (kBlock + 16) * n);
}

PrincipalAxes ComputePrincipalAxes(const TrainingExamples& examples, int64_t n) {
  PrincipalAxes result;
  const auto size = static_cast<size_t>(n);
  result.mean.assign(size, 0.0);
  examples.for_each([&](const float* example) {
    for (int64_t i = 0; i < n; ++i) result.mean[i] += static_cast<double>(example[i]);
  });
  for (double& mean : result.mean) mean /= static_cast<double>(examples.count);
  const Matrix covariance = Covariance(examples, result.mean);
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  result.variances.assign(size, kNan);
  result.axes.assign(size * size, kNan);
  if (!covariance.allFinite()) return result;

  RunLong(
      [&] {
        const Eigen::SelfAdjointEigenSolver<Matrix> solver(covariance);
        if (solver.info() != Eigen::Success) return;
        for (int64_t i = 0; i < n; ++i) {  // Eigen sorts the smallest first.
          result.variances[i] = std::max(solver.eigenvalues()[n - 1 - i], 0.0);
          Eigen::Map<Eigen::VectorXd>(result.axes.data() + i * n, n) = solver.eigenvectors().col(n - 1 - i);
        }
      },
      examples.progress);
  FixSigns(n, &result.axes);
  return result;
}

std::vector<double> RotateBack(const PrincipalAxes& axes, const std::vector<double>& scales,
                               const TrainingExamples& examples) {
  const int64_t n = axes.size();
  std::vector<double> result(static_cast<size_t>(n * n));
  RunLong(
      [&] {
        const ConstMatrix rows(axes.axes.data(), n, n);
        const Eigen::Map<const Eigen::VectorXd> scale(scales.data(), n);
        Eigen::Map<Matrix> product(result.data(), n, n);
        product.noalias() = rows.transpose() * (scale.asDiagonal() * rows);
        product.triangularView<Eigen::StrictlyLower>() = product.transpose().triangularView<Eigen::StrictlyLower>();
      },
      examples.progress);
  return result;
}

void ApplyAffine(const std::vector<float>& mean, const std::vector<float>& a, int64_t outputs, float* x) {
  const auto n = static_cast<int64_t>(mean.size());
  float centred[kMaxAxes];
  for (int64_t i = 0; i < n; ++i) centred[i] = x[i] - mean[i];
  std::fill_n(x, outputs, 0.0f);
  int64_t i = 0;
  for (; i + 4 <= n; i += 4) AddRows(a.data() + i * outputs, centred + i, outputs, x);
  for (; i < n; ++i) AddRow(a.data() + i * outputs, centred[i], outputs, x);
}

std::vector<float> Transposed(const std::vector<float>& matrix, int64_t outputs, int64_t inputs) {
  std::vector<float> result(matrix.size());
  for (int64_t o = 0; o < outputs; ++o) {
    for (int64_t i = 0; i < inputs; ++i) result[i * outputs + o] = matrix[o * inputs + i];
  }
  return result;
}

}  // namespace traind::core
