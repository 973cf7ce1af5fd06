// Adam with Nesterov's momentum (Dozat 2016), as PyTorch documents it: with mu_t = beta1 (1 - 0.96^(t momentum_decay) /
// 2) and M_t the product of mu_1 to mu_t,
//   m = beta1 m + (1 - beta1) g;  s = beta2 s + (1 - beta2) g^2
//   w -= lr (mu_(t+1) m / (1 - M_(t+1)) + (1 - mu_t) g / (1 - M_t)) / (sqrt(s / (1 - beta2^t)) + epsilon)
#include <cmath>
#include <memory>
#include <utility>

#include "core/base/vectorize.h"
#include "core/kinds/optimizer.h"
#include "core/optimizers/betas.h"

namespace traind::core {
namespace {

struct NAdamNumbers {
  float keep;          // 1 - lr weight_decay
  float beta1, rest1;  // rest = 1 - beta, rounded once.
  float beta2, rest2;
  float of_gradient;  // lr (1 - mu_t) / (1 - M_t)
  float of_momentum;  // lr mu_(t+1) / (1 - M_(t+1))
  float correction;   // 1 / sqrt(1 - beta2^t)
  float epsilon;
};

TRAIND_VECTORIZED void NAdamLoop(float* __restrict w, const float* __restrict g, float* __restrict m,
                                 float* __restrict s, int64_t n, const NAdamNumbers& numbers) {
  const NAdamNumbers k = numbers;
  for (int64_t i = 0; i < n; ++i) {
    m[i] = k.beta1 * m[i] + k.rest1 * g[i];
    s[i] = k.beta2 * s[i] + k.rest2 * (g[i] * g[i]);
    w[i] = k.keep * w[i] - (k.of_momentum * m[i] + k.of_gradient * g[i]) / (std::sqrt(s[i]) * k.correction + k.epsilon);
  }
}

class NAdamOptimizer final : public Optimizer {
 public:
  explicit NAdamOptimizer(const v1::NAdam& config)
      : beta1_(config.beta1()),
        beta2_(config.beta2()),
        epsilon_(config.epsilon()),
        momentum_decay_(config.momentum_decay()) {}

  std::vector<std::string_view> slots() const override { return {"exp_avg", "exp_avg_sq"}; }
  double default_learning_rate() const override { return 0.002; }
  std::pair<double, double> usual_learning_rates() const override { return {1e-5, 1e-2}; }

  // The product goes on from the update before, or is made anew in the same order, so that a resume has the same bits.
  // What is below kNothing no longer counts.
  void Begin(uint64_t number) override {
    if (number != number_ + 1) {
      number_ = 0;
      product_ = 1;
    }
    for (; number_ < number; ++number_) {
      if (product_ < kNothing) {
        number_ = number;
        break;
      }
      product_ *= Mu(number_ + 1);
    }
  }

  void Update(const Step& step, const Chunk& chunk) const override {
    const double lr = step.learning_rate, now = Mu(step.number), next = Mu(step.number + 1);
    const NAdamNumbers numbers = {
        .keep = static_cast<float>(1 - lr * step.weight_decay),
        .beta1 = static_cast<float>(beta1_),
        .rest1 = static_cast<float>(1 - beta1_),
        .beta2 = static_cast<float>(beta2_),
        .rest2 = static_cast<float>(1 - beta2_),
        .of_gradient = static_cast<float>(lr * (1 - now) / (1 - product_)),
        .of_momentum = static_cast<float>(lr * next / (1 - product_ * next)),
        .correction = static_cast<float>(1 / std::sqrt(1 - std::pow(beta2_, static_cast<double>(step.number)))),
        .epsilon = static_cast<float>(epsilon_),
    };
    NAdamLoop(chunk.weights, chunk.gradients, chunk.slots[0], chunk.slots[1], chunk.n, numbers);
  }

 private:
  static constexpr double kNothing = 1e-20;

  double Mu(uint64_t t) const { return beta1_ * (1 - 0.5 * std::pow(0.96, static_cast<double>(t) * momentum_decay_)); }

  const double beta1_;
  const double beta2_;
  const double epsilon_;
  const double momentum_decay_;
  uint64_t number_ = 0;  // Of the update that was begun.
  double product_ = 1;   // M of it.
};

const Registered<Optimizer, v1::NAdam> kNAdam(
    "Adam with Nesterov's momentum (Dozat 2016).", [](v1::NAdam& config, const FieldErrors& errors) {
      ResolveBetas(0.9, 0.999, config, errors);
      ResolveEpsilon(1e-8, config, errors);
      if (!config.has_momentum_decay()) config.set_momentum_decay(0.004);
      Require(config.momentum_decay() >= 0 && std::isfinite(config.momentum_decay()), errors, "momentum_decay",
              "finite and at least 0", config.momentum_decay());
      return std::make_unique<NAdamOptimizer>(config);
    });

}  // namespace
}  // namespace traind::core
