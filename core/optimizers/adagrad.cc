// s += g^2; w -= lr g / (sqrt(s) + epsilon) (Duchi et al. 2011).
#include <cmath>
#include <memory>

#include "core/base/require.h"
#include "core/base/vectorize.h"
#include "core/kinds/optimizer.h"

namespace traind::core {
namespace {

TRAIND_VECTORIZED void UpdateLoop(float* __restrict w, const float* __restrict g, float* __restrict s, int64_t n,
                                  float lr, float keep, float epsilon) {
  for (int64_t i = 0; i < n; ++i) {
    s[i] += g[i] * g[i];
    w[i] = keep * w[i] - lr * g[i] / (std::sqrt(s[i]) + epsilon);
  }
}

class AdagradOptimizer final : public Optimizer {
 public:
  explicit AdagradOptimizer(const v1::Adagrad& config)
      : epsilon_(static_cast<float>(config.epsilon())), initial_(static_cast<float>(config.initial_accumulator())) {}

  std::vector<std::string_view> slots() const override { return {"sum"}; }
  float initial_value(int /*slot*/) const override { return initial_; }
  double default_learning_rate() const override { return 0.01; }

  void Update(const Step& step, const Chunk& chunk) const override {
    UpdateLoop(chunk.weights, chunk.gradients, chunk.slots[0], chunk.n, static_cast<float>(step.learning_rate),
               static_cast<float>(1 - step.learning_rate * step.weight_decay), epsilon_);
  }

 private:
  const float epsilon_;
  const float initial_;
};

const Registered<Optimizer, v1::Adagrad> kAdagrad(
    "Divides by the root of the sum of all squared gradients (Duchi et al. 2011).",
    [](v1::Adagrad& config, const FieldErrors& errors) {
      if (!config.has_epsilon()) config.set_epsilon(1e-10);
      Require(IsPositiveFloat(config.epsilon()), errors, "epsilon", "finite and above 0 in float32", config.epsilon());
      Require(config.initial_accumulator() >= 0 && IsFiniteFloat(config.initial_accumulator()), errors,
              "initial_accumulator", "finite and at least 0", config.initial_accumulator());
      return std::make_unique<AdagradOptimizer>(config);
    });

}  // namespace
}  // namespace traind::core
