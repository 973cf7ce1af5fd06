// s = rho s + (1 - rho) g^2; d = sqrt(u + epsilon) / sqrt(s + epsilon) g; u = rho u + (1 - rho) d^2; w -= lr d
// (Zeiler 2012; the rate is PyTorch's).
#include <cmath>
#include <memory>
#include <utility>

#include "core/base/require.h"
#include "core/base/vectorize.h"
#include "core/kinds/optimizer.h"

namespace traind::core {
namespace {

struct AdadeltaNumbers {
  float lr;
  float keep;       // 1 - lr weight_decay
  float rho, rest;  // rest = 1 - rho, rounded once.
  float epsilon;
};

TRAIND_VECTORIZED void AdadeltaLoop(float* __restrict w, const float* __restrict g, float* __restrict s,
                                    float* __restrict u, int64_t n, const AdadeltaNumbers& numbers) {
  const AdadeltaNumbers k = numbers;
  for (int64_t i = 0; i < n; ++i) {
    s[i] = k.rho * s[i] + k.rest * (g[i] * g[i]);
    const float d = std::sqrt(u[i] + k.epsilon) / std::sqrt(s[i] + k.epsilon) * g[i];
    u[i] = k.rho * u[i] + k.rest * (d * d);
    w[i] = k.keep * w[i] - k.lr * d;
  }
}

class AdadeltaOptimizer final : public Optimizer {
 public:
  explicit AdadeltaOptimizer(const v1::Adadelta& config) : rho_(config.rho()), epsilon_(config.epsilon()) {}

  std::vector<std::string_view> slots() const override { return {"square_avg", "acc_delta"}; }
  double default_learning_rate() const override { return 1; }
  std::pair<double, double> usual_learning_rates() const override { return {1e-2, 10}; }

  void Update(const Step& step, const Chunk& chunk) const override {
    const AdadeltaNumbers numbers = {.lr = static_cast<float>(step.learning_rate),
                                     .keep = static_cast<float>(1 - step.learning_rate * step.weight_decay),
                                     .rho = static_cast<float>(rho_),
                                     .rest = static_cast<float>(1 - rho_),
                                     .epsilon = static_cast<float>(epsilon_)};
    AdadeltaLoop(chunk.weights, chunk.gradients, chunk.slots[0], chunk.slots[1], chunk.n, numbers);
  }

 private:
  const double rho_;
  const double epsilon_;
};

const Registered<Optimizer, v1::Adadelta> kAdadelta(
    "Steps in proportion to earlier steps, without a rate of its own (Zeiler 2012).",
    [](v1::Adadelta& config, const FieldErrors& errors) {
      if (!config.has_rho()) config.set_rho(0.9);
      if (!config.has_epsilon()) config.set_epsilon(1e-6);
      Require(config.rho() >= 0 && config.rho() < 1, errors, "rho", "in [0, 1)", config.rho());
      Require(IsPositiveFloat(config.epsilon()), errors, "epsilon", "finite and above 0 in float32", config.epsilon());
      return std::make_unique<AdadeltaOptimizer>(config);
    });

}  // namespace
}  // namespace traind::core
