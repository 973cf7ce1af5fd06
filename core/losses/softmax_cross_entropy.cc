// -sum_c t_c log softmax(x)_c. With m = max x and z = sum exp(x - m), log softmax(x)_c = x_c - m - log z, which neither
// overflows nor loses the largest term; the gradient is (sum t) softmax(x) - t. A class's weight multiplies its t.
#include <algorithm>
#include <cmath>
#include <memory>

#include "core/base/math.h"
#include "core/base/require.h"
#include "core/base/vectorize.h"
#include "core/kinds/loss.h"
#include "core/losses/class_weights.h"
#include "core/losses/example_sum.h"

namespace traind::core {
namespace {

// The largest logit; NaN if one is.
TRAIND_VECTORIZED float Largest(const float* x, int64_t n) {
  float largest = x[0];
  int32_t nans = 0;
#pragma omp simd reduction(max : largest) reduction(+ : nans)
  for (int64_t c = 0; c < n; ++c) {
    largest = x[c] > largest ? x[c] : largest;
    nans += x[c] != x[c] ? 1 : 0;
  }
  return nans > 0 ? std::nanf("") : largest;
}

// out = exp(x - m) and the sum of it.
TRAIND_VECTORIZED double ExpAndSum(const float* __restrict x, float m, int64_t n, float* __restrict out) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t c = 0; c < n; ++c) {
    const float e = Exp(x[c] - m);
    out[c] = e;
    sum += static_cast<double>(e);
  }
  return sum;
}

// The sum of exp(x - m), where nobody wants the terms.
TRAIND_VECTORIZED double SumOfExp(const float* x, float m, int64_t n) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t c = 0; c < n; ++c) sum += static_cast<double>(Exp(x[c] - m));
  return sum;
}

class SoftmaxCrossEntropyLoss final : public Loss {
 public:
  SoftmaxCrossEntropyLoss(double smoothing, WeightsByClass weights)
      : smoothing_(smoothing), weights_(std::move(weights)) {}

  OutputMeaning output_meaning() const override { return OutputMeaning::kLogits; }
  void CheckSizes(int64_t outputs, int64_t classes, const FieldErrors& errors) const override {
    weights_.Check(outputs, classes, errors);
  }

  double Compute(const float* output, const Targets& targets, int64_t n, int64_t outputs,
                 float* gradient) const override {
    return Sum(output, targets, n, outputs, smoothing_, gradient);
  }
  double Evaluate(const float* output, const Targets& targets, int64_t n, int64_t outputs) const override {
    return Sum(output, targets, n, outputs, 0, nullptr);
  }

 private:
  double Sum(const float* output, const Targets& targets, int64_t n, int64_t outputs, double smoothing,
             float* gradient) const {
    return SumOverExamples(n, outputs, [&](int64_t i) {
      const float* x = output + i * outputs;
      float* g = gradient == nullptr ? nullptr : gradient + i * outputs;
      const float m = Largest(x, outputs);
      const double z = g == nullptr ? SumOfExp(x, m, outputs) : ExpAndSum(x, m, outputs, g);
      const double log_z = std::log(z);
      const double rest = smoothing / static_cast<double>(outputs);
      if (targets.labels == nullptr) {
        const float* t = targets.values + i * outputs;
        const auto target = [&](int64_t c) { return weights_.of(c) * ((1 - smoothing) * t[c] + rest); };
        return OfRow(x, m, z, log_z, target, n, outputs, g);
      }
      const int32_t label = targets.labels[i];
      if (weights_.uniform()) return OfLabel(x, m, z, log_z, label, smoothing, n, outputs, g);
      const auto target = [&](int64_t c) { return weights_.of(c) * ((c == label ? 1 - smoothing : 0) + rest); };
      return OfRow(x, m, z, log_z, target, n, outputs, g);
    });
  }

  // The target of class c is (1 - s) [c == label] + s / outputs. `g` holds exp(x - m) and becomes the gradient.
  static double OfLabel(const float* x, double m, double z, double log_z, int32_t label, double smoothing, int64_t n,
                        int64_t outputs, float* g) {
    const double rest = smoothing / static_cast<double>(outputs);
    double loss = (1 - smoothing) * (log_z - (x[label] - m));
    if (rest > 0) {
      double sum = 0;
      for (int64_t c = 0; c < outputs; ++c) sum += log_z - (x[c] - m);
      loss += rest * sum;
    }
    if (g != nullptr) {
      const double scale = 1 / static_cast<double>(n);
      const auto share = static_cast<float>(scale / z);
      const auto shift = static_cast<float>(scale * rest);
      const double of_label = scale * (g[label] / z - rest - (1 - smoothing));
      for (int64_t c = 0; c < outputs; ++c) g[c] = g[c] * share - shift;
      g[label] = static_cast<float>(of_label);
    }
    return loss;
  }

  // target(c) is w_c ((1 - s) t_c + s / outputs); rows need not sum to 1.
  template <class TargetOfClass>
  static double OfRow(const float* x, double m, double z, double log_z, const TargetOfClass& target, int64_t n,
                      int64_t outputs, float* g) {
    double loss = 0, total = 0;
    for (int64_t c = 0; c < outputs; ++c) {
      const double t = target(c);
      total += t;
      if (t != 0) loss += t * (log_z - (x[c] - m));  // A logit of minus infinity without a target is fine.
    }
    if (g != nullptr) {
      const double scale = 1 / static_cast<double>(n);
      for (int64_t c = 0; c < outputs; ++c) g[c] = static_cast<float>(scale * (total * g[c] / z - target(c)));
    }
    // The class of a NaN logit may have no target: the loss is NaN all the same.
    return std::isnan(m) ? m : loss;
  }

  const double smoothing_;
  const WeightsByClass weights_;
};

const Registered<Loss, v1::SoftmaxCrossEntropy> kSoftmaxCrossEntropy(
    "-sum t log softmax(logits), for class labels or soft labels, with label smoothing and class weights.",
    [](v1::SoftmaxCrossEntropy& config, const FieldErrors& errors) {
      Require(config.label_smoothing() >= 0 && config.label_smoothing() < 1, errors, "label_smoothing", "in [0, 1)",
              config.label_smoothing());
      return std::make_unique<SoftmaxCrossEntropyLoss>(config.label_smoothing(),
                                                       WeightsByClass(config.class_weights(), errors));
    });

}  // namespace
}  // namespace traind::core
