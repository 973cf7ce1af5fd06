// m = beta1 m + (1 - beta1) g; u = max(beta2 u, |g| + epsilon); w -= lr / (1 - beta1^t) m / u (Kingma & Ba 2015,
// section 7).
#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include "core/base/math.h"
#include "core/base/vectorize.h"
#include "core/kinds/optimizer.h"
#include "core/optimizers/betas.h"

namespace traind::core {
namespace {

struct AdamaxNumbers {
  float keep;          // 1 - lr weight_decay
  float beta1, rest1;  // rest = 1 - beta, rounded once.
  float beta2;
  float step_size;  // lr / (1 - beta1^t)
  float epsilon;
};

TRAIND_VECTORIZED void AdamaxLoop(float* __restrict w, const float* __restrict g, float* __restrict m,
                                  float* __restrict u, int64_t n, const AdamaxNumbers& numbers) {
  const AdamaxNumbers k = numbers;
  for (int64_t i = 0; i < n; ++i) {
    m[i] = k.beta1 * m[i] + k.rest1 * g[i];
    const float before = k.beta2 * u[i], now = Abs(g[i]) + k.epsilon;
    u[i] = before > now ? before : now;
    w[i] = k.keep * w[i] - k.step_size * m[i] / u[i];
  }
}

class AdamaxOptimizer final : public Optimizer {
 public:
  explicit AdamaxOptimizer(const v1::Adamax& config)
      : beta1_(config.beta1()), beta2_(config.beta2()), epsilon_(config.epsilon()) {}

  std::vector<std::string_view> slots() const override { return {"exp_avg", "exp_inf"}; }
  double default_learning_rate() const override { return 0.002; }
  std::pair<double, double> usual_learning_rates() const override { return {1e-5, 1e-2}; }

  void Update(const Step& step, const Chunk& chunk) const override {
    const auto t = static_cast<double>(step.number);
    const AdamaxNumbers numbers = {
        .keep = static_cast<float>(1 - step.learning_rate * step.weight_decay),
        .beta1 = static_cast<float>(beta1_),
        .rest1 = static_cast<float>(1 - beta1_),
        .beta2 = static_cast<float>(beta2_),
        .step_size = static_cast<float>(step.learning_rate / (1 - std::pow(beta1_, t))),
        .epsilon = static_cast<float>(epsilon_),
    };
    AdamaxLoop(chunk.weights, chunk.gradients, chunk.slots[0], chunk.slots[1], chunk.n, numbers);
  }

 private:
  const double beta1_;
  const double beta2_;
  const double epsilon_;
};

const Registered<Optimizer, v1::Adamax> kAdamax("Adam with the maximum norm (Kingma & Ba 2015).",
                                                [](v1::Adamax& config, const FieldErrors& errors) {
                                                  ResolveBetas(0.9, 0.999, config, errors);
                                                  ResolveEpsilon(1e-8, config, errors);
                                                  return std::make_unique<AdamaxOptimizer>(config);
                                                });

}  // namespace
}  // namespace traind::core
