// Adam (Kingma & Ba 2015) with bias correction, and AdamW, which is the same with decoupled weight decay on by default
// (Loshchilov & Hutter 2019):
//   m = beta1 m + (1 - beta1) g;  s = beta2 s + (1 - beta2) g^2
//   w -= lr weight_decay w;  w -= lr m / (1 - beta1^t) / (sqrt(s / (1 - beta2^t)) + epsilon)
#include <cmath>
#include <memory>
#include <utility>

#include "core/base/vectorize.h"
#include "core/kinds/optimizer.h"
#include "core/optimizers/betas.h"

namespace traind::core {
namespace {

struct AdamNumbers {
  float keep;          // 1 - lr weight_decay
  float beta1, rest1;  // rest = 1 - beta, rounded once.
  float beta2, rest2;
  float step_size;   // lr / (1 - beta1^t)
  float correction;  // 1 / sqrt(1 - beta2^t)
  float epsilon;
};

TRAIND_VECTORIZED void UpdateLoop(float* __restrict w, const float* __restrict g, float* __restrict m,
                                  float* __restrict s, int64_t n, const AdamNumbers& numbers) {
  const AdamNumbers k = numbers;
  for (int64_t i = 0; i < n; ++i) {
    m[i] = k.beta1 * m[i] + k.rest1 * g[i];
    s[i] = k.beta2 * s[i] + k.rest2 * (g[i] * g[i]);
    w[i] = k.keep * w[i] - k.step_size * m[i] / (std::sqrt(s[i]) * k.correction + k.epsilon);
  }
}

class AdamOptimizer final : public Optimizer {
 public:
  AdamOptimizer(double beta1, double beta2, double epsilon, double default_weight_decay)
      : beta1_(beta1), beta2_(beta2), epsilon_(epsilon), default_weight_decay_(default_weight_decay) {}

  std::vector<std::string_view> slots() const override { return {"exp_avg", "exp_avg_sq"}; }
  double default_learning_rate() const override { return 0.001; }
  std::pair<double, double> usual_learning_rates() const override { return {1e-5, 1e-2}; }
  double default_weight_decay() const override { return default_weight_decay_; }
  bool takes_momentum() const override { return true; }

  void Update(const Step& step, const Chunk& chunk) const override {
    const auto t = static_cast<double>(step.number);
    const double beta1 = step.momentum.value_or(beta1_);
    const AdamNumbers numbers = {
        .keep = static_cast<float>(1 - step.learning_rate * step.weight_decay),
        .beta1 = static_cast<float>(beta1),
        .rest1 = static_cast<float>(1 - beta1),
        .beta2 = static_cast<float>(beta2_),
        .rest2 = static_cast<float>(1 - beta2_),
        .step_size = static_cast<float>(step.learning_rate / (1 - std::pow(beta1, t))),
        .correction = static_cast<float>(1 / std::sqrt(1 - std::pow(beta2_, t))),
        .epsilon = static_cast<float>(epsilon_),
    };
    UpdateLoop(chunk.weights, chunk.gradients, chunk.slots[0], chunk.slots[1], chunk.n, numbers);
  }

 private:
  const double beta1_;
  const double beta2_;
  const double epsilon_;
  const double default_weight_decay_;
};

// Adam and AdamW have the same fields.
template <class Config>
std::unique_ptr<Optimizer> Make(Config& config, const FieldErrors& errors, double default_weight_decay) {
  ResolveBetas(0.9, 0.999, config, errors);
  ResolveEpsilon(1e-8, config, errors);
  return std::make_unique<AdamOptimizer>(config.beta1(), config.beta2(), config.epsilon(), default_weight_decay);
}

const Registered<Optimizer, v1::Adam> kAdam("Adam with bias correction (Kingma & Ba 2015).",
                                            [](v1::Adam& config, const FieldErrors& errors) {
                                              return Make(config, errors, 0);
                                            });

const Registered<Optimizer, v1::AdamW> kAdamW("Adam with decoupled weight decay (Loshchilov & Hutter 2019).",
                                              [](v1::AdamW& config, const FieldErrors& errors) {
                                                return Make(config, errors, 0.01);
                                              });

}  // namespace
}  // namespace traind::core
