// v = momentum v + g; w -= lr v, with Nesterov w -= lr (g + momentum v). v starts at zero, so that the first v is g, as
// in PyTorch (which has the learning rate outside of v).
#include <memory>

#include "core/base/require.h"
#include "core/base/vectorize.h"
#include "core/kinds/optimizer.h"

namespace traind::core {
namespace {

TRAIND_VECTORIZED void Plain(float* __restrict w, const float* __restrict g, int64_t n, float lr, float keep) {
  for (int64_t i = 0; i < n; ++i) w[i] = keep * w[i] - lr * g[i];
}

TRAIND_VECTORIZED void WithMomentum(float* __restrict w, const float* __restrict g, float* __restrict v, int64_t n,
                                    float lr, float keep, float momentum) {
  for (int64_t i = 0; i < n; ++i) {
    v[i] = momentum * v[i] + g[i];
    w[i] = keep * w[i] - lr * v[i];
  }
}

TRAIND_VECTORIZED void WithNesterov(float* __restrict w, const float* __restrict g, float* __restrict v, int64_t n,
                                    float lr, float keep, float momentum) {
  for (int64_t i = 0; i < n; ++i) {
    v[i] = momentum * v[i] + g[i];
    w[i] = keep * w[i] - lr * (g[i] + momentum * v[i]);
  }
}

class SgdOptimizer final : public Optimizer {
 public:
  explicit SgdOptimizer(const v1::Sgd& config)
      : momentum_(static_cast<float>(config.momentum())), nesterov_(config.nesterov()) {}

  std::vector<std::string_view> slots() const override {
    if (momentum_ == 0) return {};
    return {"momentum"};
  }
  double default_learning_rate() const override { return 0.01; }
  bool takes_momentum() const override { return momentum_ != 0; }

  void Update(const Step& step, const Chunk& chunk) const override {
    const auto lr = static_cast<float>(step.learning_rate);
    const auto keep = static_cast<float>(1 - step.learning_rate * step.weight_decay);
    const auto momentum = static_cast<float>(step.momentum.value_or(momentum_));
    if (momentum_ == 0) {
      Plain(chunk.weights, chunk.gradients, chunk.n, lr, keep);
    } else if (nesterov_) {
      WithNesterov(chunk.weights, chunk.gradients, chunk.slots[0], chunk.n, lr, keep, momentum);
    } else {
      WithMomentum(chunk.weights, chunk.gradients, chunk.slots[0], chunk.n, lr, keep, momentum);
    }
  }

 private:
  const float momentum_;
  const bool nesterov_;
};

const Registered<Optimizer, v1::Sgd> kSgd("Stochastic gradient descent with momentum, plain or Nesterov's.",
                                          [](v1::Sgd& config, const FieldErrors& errors) {
                                            Require(config.momentum() >= 0 && config.momentum() < 1, errors, "momentum",
                                                    "in [0, 1)", config.momentum());
                                            if (config.nesterov() && config.momentum() == 0)
                                              errors.At("nesterov").Add("needs a momentum above 0");
                                            return std::make_unique<SgdOptimizer>(config);
                                          });

}  // namespace
}  // namespace traind::core
