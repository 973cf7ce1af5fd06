#include "core/train/max_norm.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <utility>

#include "core/base/parallel.h"

namespace traind::core {

bool MaxNorm::Constrains(const StoredParameter& parameter) {
  return parameter.spec->trained && !parameter.frozen && std::isfinite(parameter.penalty.max_norm);
}

absl::StatusOr<std::unique_ptr<MaxNorm>> MaxNorm::Make(ParameterStore& store) {
  std::unique_ptr<MaxNorm> made(new MaxNorm(store));
  std::vector<float> rows;
  for (StoredParameter& parameter : store.parameters()) {
    if (!Constrains(parameter)) continue;
    auto memory = store.Reserve(parameter);
    if (!memory.ok()) return memory.status();
    // A float holds every number of a row: there are at most 2^24.
    const int64_t count = parameter.spec->shape[0], each = Elements(parameter.spec->shape) / count;
    rows.resize(static_cast<size_t>(count * each));
    for (int64_t row = 0; row < count; ++row) {
      std::fill_n(rows.begin() + static_cast<ptrdiff_t>(row * each), each, static_cast<float>(row));
    }
    store.Set(parameter, *memory, rows);
    made->tensors_.push_back({&parameter, *memory, std::vector<double>(static_cast<size_t>(count))});
  }
  if (made->tensors_.empty()) return nullptr;
  return made;
}

void MaxNorm::Apply() {
  std::atomic<bool> changed = false;
  ParallelFor(static_cast<int64_t>(tensors_.size()), 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      if (Apply(tensors_[static_cast<size_t>(i)])) changed = true;
    }
  });
  if (changed) store_.UpdateCopies();
}

bool MaxNorm::Apply(Tensor& tensor) {
  constexpr double kEpsilon = 1e-7;  // torch.renorm's.
  std::vector<double>& rows = tensor.squares;
  std::fill(rows.begin(), rows.end(), 0.0);
  const int64_t n = tensor.parameter->stored_elements();
  float* const weights = tensor.parameter->master;
  for (int64_t i = 0; i < n; ++i) rows[static_cast<size_t>(tensor.rows[i])] += double{weights[i]} * weights[i];
  const double limit = tensor.parameter->penalty.max_norm;
  bool changed = false;
  for (double& row : rows) {
    const double norm = std::sqrt(row);
    row = norm > limit ? limit / (norm + kEpsilon) : 1;
    changed |= row != 1;
  }
  if (!changed) return false;
  for (int64_t i = 0; i < n; ++i) {
    const double factor = rows[static_cast<size_t>(tensor.rows[i])];
    if (factor != 1) weights[i] = static_cast<float>(weights[i] * factor);
  }
  return true;
}

}  // namespace traind::core
