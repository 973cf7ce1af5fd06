// w -= lr sign(beta1 m + (1 - beta1) g); m = beta2 m + (1 - beta2) g (Chen et al. 2023).
#include <memory>
#include <utility>

#include "core/base/vectorize.h"
#include "core/kinds/optimizer.h"
#include "core/optimizers/betas.h"

namespace traind::core {
namespace {

struct LionNumbers {
  float lr;
  float keep;          // 1 - lr weight_decay
  float beta1, rest1;  // rest = 1 - beta, rounded once.
  float beta2, rest2;
};

TRAIND_VECTORIZED void LionLoop(float* __restrict w, const float* __restrict g, float* __restrict m, int64_t n,
                                const LionNumbers& numbers) {
  const LionNumbers k = numbers;
  for (int64_t i = 0; i < n; ++i) {
    const float c = k.beta1 * m[i] + k.rest1 * g[i];
    const float sign = static_cast<float>(c > 0.0f) - static_cast<float>(c < 0.0f);
    w[i] = k.keep * w[i] - k.lr * sign;
    m[i] = k.beta2 * m[i] + k.rest2 * g[i];
  }
}

class LionOptimizer final : public Optimizer {
 public:
  explicit LionOptimizer(const v1::Lion& config) : beta1_(config.beta1()), beta2_(config.beta2()) {}

  std::vector<std::string_view> slots() const override { return {"exp_avg"}; }
  double default_learning_rate() const override { return 1e-4; }
  std::pair<double, double> usual_learning_rates() const override { return {1e-6, 3e-3}; }

  void Update(const Step& step, const Chunk& chunk) const override {
    const LionNumbers numbers = {.lr = static_cast<float>(step.learning_rate),
                                 .keep = static_cast<float>(1 - step.learning_rate * step.weight_decay),
                                 .beta1 = static_cast<float>(beta1_),
                                 .rest1 = static_cast<float>(1 - beta1_),
                                 .beta2 = static_cast<float>(beta2_),
                                 .rest2 = static_cast<float>(1 - beta2_)};
    LionLoop(chunk.weights, chunk.gradients, chunk.slots[0], chunk.n, numbers);
  }

 private:
  const double beta1_;
  const double beta2_;
};

const Registered<Optimizer, v1::Lion> kLion("Steps of one size along the sign of a momentum (Chen et al. 2023).",
                                            [](v1::Lion& config, const FieldErrors& errors) {
                                              ResolveBetas(0.9, 0.99, config, errors);
                                              return std::make_unique<LionOptimizer>(config);
                                            });

}  // namespace
}  // namespace traind::core
