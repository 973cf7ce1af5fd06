// The principal axes of the training split (lecture slides 39-40): the eigenvectors of its covariance, in double. The
// same bits for any number of threads.
#pragma once

#include <cstdint>
#include <vector>

#include "core/base/errors.h"
#include "core/kinds/transform.h"
#include "core/tensor/tensor.h"

namespace traind::core {

// The most numbers an example may have: their covariance has the square of it.
inline constexpr int64_t kMaxAxes = 4096;

// The numbers of an example of `shape`; 0 after a violation when they are more than kMaxAxes.
int64_t CheckAxes(const Shape& shape, const FieldErrors& errors);

// What ComputePrincipalAxes takes and leaves for `n` numbers an example, at most.
int64_t PrincipalAxesBytes(int64_t n);

struct PrincipalAxes {
  std::vector<double> mean;
  std::vector<double> variances;  // Along the axes, the largest first; never negative. Of the population.
  std::vector<double> axes;       // Row i is axis i: of length 1, its largest coordinate positive.

  int64_t size() const { return static_cast<int64_t>(mean.size()); }
};

// Variances and axes are NaN when the examples are not finite. May throw std::bad_alloc and std::system_error.
PrincipalAxes ComputePrincipalAxes(const TrainingExamples& examples, int64_t n);

// V diag(scales) V^T with the axes as the columns of V: symmetric to the last bit, row-major.
std::vector<double> RotateBack(const PrincipalAxes& axes, const std::vector<double>& scales,
                               const TrainingExamples& examples);

// y = A (x - mean), in place; `a` is A transposed, [size of x, size of y], and y is not longer than x.
void ApplyAffine(const std::vector<float>& mean, const std::vector<float>& a, int64_t outputs, float* x);
// What ApplyAffine wants of a row-major [outputs, inputs] matrix.
std::vector<float> Transposed(const std::vector<float>& matrix, int64_t outputs, int64_t inputs);

}  // namespace traind::core
