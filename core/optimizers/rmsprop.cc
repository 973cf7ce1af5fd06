// s = alpha s + (1 - alpha) g^2; w -= lr g / (sqrt(s) + epsilon). With momentum b = momentum b + g / (sqrt(s) +
// epsilon) and w -= lr b, as in PyTorch.
#include <cmath>
#include <memory>
#include <utility>

#include "core/base/require.h"
#include "core/base/vectorize.h"
#include "core/kinds/optimizer.h"

namespace traind::core {
namespace {

struct RmsPropNumbers {
  float lr;
  float keep;         // 1 - lr weight_decay
  float alpha, rest;  // rest = 1 - alpha, rounded once.
  float epsilon;
  float momentum;
};

TRAIND_VECTORIZED void Plain(float* __restrict w, const float* __restrict g, float* __restrict s, int64_t n,
                             const RmsPropNumbers& numbers) {
  const RmsPropNumbers k = numbers;
  for (int64_t i = 0; i < n; ++i) {
    s[i] = k.alpha * s[i] + k.rest * (g[i] * g[i]);
    w[i] = k.keep * w[i] - k.lr * g[i] / (std::sqrt(s[i]) + k.epsilon);
  }
}

TRAIND_VECTORIZED void WithMomentum(float* __restrict w, const float* __restrict g, float* __restrict s,
                                    float* __restrict b, int64_t n, const RmsPropNumbers& numbers) {
  const RmsPropNumbers k = numbers;
  for (int64_t i = 0; i < n; ++i) {
    s[i] = k.alpha * s[i] + k.rest * (g[i] * g[i]);
    b[i] = k.momentum * b[i] + g[i] / (std::sqrt(s[i]) + k.epsilon);
    w[i] = k.keep * w[i] - k.lr * b[i];
  }
}

class RmsPropOptimizer final : public Optimizer {
 public:
  explicit RmsPropOptimizer(const v1::RmsProp& config)
      : alpha_(config.alpha()), epsilon_(config.epsilon()), momentum_(config.momentum()) {}

  std::vector<std::string_view> slots() const override {
    if (momentum_ == 0) return {"square_avg"};
    return {"square_avg", "momentum"};
  }
  double default_learning_rate() const override { return 0.01; }
  std::pair<double, double> usual_learning_rates() const override { return {1e-5, 1e-2}; }

  void Update(const Step& step, const Chunk& chunk) const override {
    const RmsPropNumbers numbers = {
        .lr = static_cast<float>(step.learning_rate),
        .keep = static_cast<float>(1 - step.learning_rate * step.weight_decay),
        .alpha = static_cast<float>(alpha_),
        .rest = static_cast<float>(1 - alpha_),
        .epsilon = static_cast<float>(epsilon_),
        .momentum = static_cast<float>(momentum_),
    };
    if (momentum_ == 0) {
      Plain(chunk.weights, chunk.gradients, chunk.slots[0], chunk.n, numbers);
    } else {
      WithMomentum(chunk.weights, chunk.gradients, chunk.slots[0], chunk.slots[1], chunk.n, numbers);
    }
  }

 private:
  const double alpha_;
  const double epsilon_;
  const double momentum_;
};

const Registered<Optimizer, v1::RmsProp> kRmsProp(
    "Divides by a running root mean square of the gradient; optional momentum.",
    [](v1::RmsProp& config, const FieldErrors& errors) {
      if (!config.has_alpha()) config.set_alpha(0.99);
      if (!config.has_epsilon()) config.set_epsilon(1e-8);
      Require(config.alpha() >= 0 && config.alpha() < 1, errors, "alpha", "in [0, 1)", config.alpha());
      Require(IsPositiveFloat(config.epsilon()), errors, "epsilon", "finite and above 0 in float32", config.epsilon());
      Require(config.momentum() >= 0 && config.momentum() < 1, errors, "momentum", "in [0, 1)", config.momentum());
      return std::make_unique<RmsPropOptimizer>(config);
    });

}  // namespace
}  // namespace traind::core
