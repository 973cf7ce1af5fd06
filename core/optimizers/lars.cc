// Layer-wise adaptive rates (You et al. 2017), for each tensor of weights:
//   r = trust_coefficient |w| / (|g| + c |w| + epsilon);  v = momentum v + lr r (g + c w);  w -= v
// The rate is inside of v, as in the paper. r is 1 for biases and normalization parameters.
#include <cmath>
#include <memory>
#include <utility>

#include "core/base/require.h"
#include "core/kinds/optimizer.h"
#include "core/optimizers/layerwise.h"

namespace traind::core {
namespace {

struct LarsNumbers {
  float keep;  // 1 - lr weight_decay
  float momentum;
  float rate;   // lr r
  float decay;  // lr r c
};

TRAIND_VECTORIZED void LarsLoop(float* __restrict w, const float* __restrict g, float* __restrict v, int64_t n,
                                const LarsNumbers& numbers) {
  const LarsNumbers k = numbers;
  for (int64_t i = 0; i < n; ++i) {
    v[i] = k.momentum * v[i] + (k.rate * g[i] + k.decay * w[i]);
    w[i] = k.keep * w[i] - v[i];
  }
}

TRAIND_VECTORIZED double LarsSquares(const float* x, int64_t n) { return SumOfSquares(x, n); }

class LarsOptimizer final : public Optimizer {
 public:
  explicit LarsOptimizer(const v1::Lars& config)
      : momentum_(config.momentum()), trust_(config.trust_coefficient()), epsilon_(config.epsilon()) {}

  std::vector<std::string_view> slots() const override { return {"momentum"}; }
  double default_learning_rate() const override { return 1; }
  std::pair<double, double> usual_learning_rates() const override { return {1e-2, 100}; }
  bool is_layerwise() const override { return true; }
  bool adds_coupled_decay() const override { return true; }

  Squares Measure(const Step& /*step*/, const Chunk& chunk) const override {
    return {.weights = LarsSquares(chunk.weights, chunk.n), .direction = LarsSquares(chunk.gradients, chunk.n)};
  }

  void Update(const Step& step, const Chunk& chunk) const override {
    const double rate = step.learning_rate * Ratio(step);
    const LarsNumbers numbers = {.keep = static_cast<float>(1 - step.learning_rate * step.weight_decay),
                                 .momentum = static_cast<float>(momentum_),
                                 .rate = static_cast<float>(rate),
                                 .decay = static_cast<float>(rate * step.coupled_decay)};
    LarsLoop(chunk.weights, chunk.gradients, chunk.slots[0], chunk.n, numbers);
  }

 private:
  double Ratio(const Step& step) const {
    if (!step.adapted) return 1;
    const double w = std::sqrt(step.squares.weights), g = std::sqrt(step.squares.direction);
    return RatioOf(w, g, trust_ * w / (g + step.coupled_decay * w + epsilon_));
  }

  const double momentum_;
  const double trust_;
  const double epsilon_;
};

const Registered<Optimizer, v1::Lars> kLars("Momentum with a rate for each layer, for large batches (You et al. 2017).",
                                            [](v1::Lars& config, const FieldErrors& errors) {
                                              if (!config.has_momentum()) config.set_momentum(0.9);
                                              if (!config.has_trust_coefficient()) config.set_trust_coefficient(0.001);
                                              if (!config.has_epsilon()) config.set_epsilon(1e-8);
                                              Require(config.momentum() >= 0 && config.momentum() < 1, errors,
                                                      "momentum", "in [0, 1)", config.momentum());
                                              Require(IsPositiveFloat(config.trust_coefficient()), errors,
                                                      "trust_coefficient", "finite and above 0",
                                                      config.trust_coefficient());
                                              Require(config.epsilon() >= 0 && IsFiniteFloat(config.epsilon()), errors,
                                                      "epsilon", "finite and at least 0", config.epsilon());
                                              return std::make_unique<LarsOptimizer>(config);
                                            });

}  // namespace
}  // namespace traind::core
