// Adam with layer-wise rates (You et al. 2020), for each tensor of weights:
//   m = beta1 m + (1 - beta1) g;  s = beta2 s + (1 - beta2) g^2
//   d = m / (1 - beta1^t) / (sqrt(s / (1 - beta2^t)) + epsilon) + weight_decay w;  w -= lr |w| / |d| d
// The ratio is 1 for biases and normalization parameters.
#include <cmath>
#include <memory>
#include <utility>

#include "core/kinds/optimizer.h"
#include "core/optimizers/betas.h"
#include "core/optimizers/layerwise.h"

namespace traind::core {
namespace {

struct LambNumbers {
  float beta1, rest1;  // rest = 1 - beta, rounded once.
  float beta2, rest2;
  float correction1;  // 1 / (1 - beta1^t)
  float correction2;  // 1 / sqrt(1 - beta2^t)
  float epsilon;
  float decay;
};

TRAIND_INLINE float LambDirection(const LambNumbers& k, float w, float m, float s) {
  return k.correction1 * m / (std::sqrt(s) * k.correction2 + k.epsilon) + k.decay * w;
}

// Takes the gradient into m and s. The sum of squares of the direction.
TRAIND_VECTORIZED double LambMeasureLoop(const float* __restrict w, const float* __restrict g, float* __restrict m,
                                         float* __restrict s, int64_t n, const LambNumbers& numbers) {
  const LambNumbers k = numbers;
  double squares = 0;
#pragma omp simd reduction(+ : squares)
  for (int64_t i = 0; i < n; ++i) {
    m[i] = k.beta1 * m[i] + k.rest1 * g[i];
    s[i] = k.beta2 * s[i] + k.rest2 * (g[i] * g[i]);
    const double d = LambDirection(k, w[i], m[i], s[i]);
    squares += d * d;
  }
  return squares;
}

TRAIND_VECTORIZED void LambLoop(float* __restrict w, const float* __restrict m, const float* __restrict s, int64_t n,
                                float rate, const LambNumbers& numbers) {
  const LambNumbers k = numbers;
  for (int64_t i = 0; i < n; ++i) w[i] -= rate * LambDirection(k, w[i], m[i], s[i]);
}

TRAIND_VECTORIZED double LambSquares(const float* x, int64_t n) { return SumOfSquares(x, n); }

class LambOptimizer final : public Optimizer {
 public:
  explicit LambOptimizer(const v1::Lamb& config)
      : beta1_(config.beta1()), beta2_(config.beta2()), epsilon_(config.epsilon()) {}

  std::vector<std::string_view> slots() const override { return {"exp_avg", "exp_avg_sq"}; }
  double default_learning_rate() const override { return 0.001; }
  double default_weight_decay() const override { return 0.01; }
  std::pair<double, double> usual_learning_rates() const override { return {1e-5, 1e-1}; }
  bool is_layerwise() const override { return true; }

  Squares Measure(const Step& step, const Chunk& chunk) const override {
    return {.weights = LambSquares(chunk.weights, chunk.n),
            .direction = LambMeasureLoop(chunk.weights, chunk.gradients, chunk.slots[0], chunk.slots[1], chunk.n,
                                         NumbersOf(step))};
  }

  void Update(const Step& step, const Chunk& chunk) const override {
    const double w = std::sqrt(step.squares.weights), d = std::sqrt(step.squares.direction);
    const double ratio = step.adapted ? RatioOf(w, d, w / d) : 1;
    LambLoop(chunk.weights, chunk.slots[0], chunk.slots[1], chunk.n, static_cast<float>(step.learning_rate * ratio),
             NumbersOf(step));
  }

 private:
  LambNumbers NumbersOf(const Step& step) const {
    const auto t = static_cast<double>(step.number);
    return {.beta1 = static_cast<float>(beta1_),
            .rest1 = static_cast<float>(1 - beta1_),
            .beta2 = static_cast<float>(beta2_),
            .rest2 = static_cast<float>(1 - beta2_),
            .correction1 = static_cast<float>(1 / (1 - std::pow(beta1_, t))),
            .correction2 = static_cast<float>(1 / std::sqrt(1 - std::pow(beta2_, t))),
            .epsilon = static_cast<float>(epsilon_),
            .decay = static_cast<float>(step.weight_decay)};
  }

  const double beta1_;
  const double beta2_;
  const double epsilon_;
};

const Registered<Optimizer, v1::Lamb> kLamb("Adam with a rate for each layer, for large batches (You et al. 2020).",
                                            [](v1::Lamb& config, const FieldErrors& errors) {
                                              ResolveBetas(0.9, 0.999, config, errors);
                                              ResolveEpsilon(1e-6, config, errors);
                                              return std::make_unique<LambOptimizer>(config);
                                            });

}  // namespace
}  // namespace traind::core
