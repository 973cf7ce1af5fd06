// -sum_c a_c (1 - p_c)^gamma log p_c, p = softmax(x), a_c = weight of the class times target (Lin et al. 2017, section
// 3.2). With l = log p the slope of a term in l is h = gamma (1 - p)^(gamma - 1) p l - (1 - p)^gamma, and that of l_c
// in x_k is [c == k] - p_k; so the gradient is a_k h_k - p_k sum_c a_c h_c.
#include <algorithm>
#include <cmath>
#include <memory>

#include "core/base/require.h"
#include "core/kinds/loss.h"
#include "core/losses/class_weights.h"
#include "core/losses/example_sum.h"

namespace traind::core {
namespace {

class FocalLoss final : public Loss {
 public:
  FocalLoss(double gamma, WeightsByClass weights) : gamma_(gamma), weights_(std::move(weights)) {}

  OutputMeaning output_meaning() const override { return OutputMeaning::kLogits; }
  void CheckSizes(int64_t outputs, int64_t classes, const FieldErrors& errors) const override {
    weights_.Check(outputs, classes, errors);
  }

  double Compute(const float* output, const Targets& targets, int64_t n, int64_t outputs,
                 float* gradient) const override {
    const double share = 1 / static_cast<double>(n);
    return SumOverExamples(n, outputs, [&](int64_t i) {
      const float* x = output + i * outputs;
      const auto amount = [&](int64_t c) {
        const double target = targets.labels == nullptr ? double{targets.values[i * outputs + c]}
                              : c == targets.labels[i]  ? 1.0
                                                        : 0.0;
        return weights_.of(c) * target;
      };
      const double largest = double{*std::max_element(x, x + outputs)};
      double z = 0;
      for (int64_t c = 0; c < outputs; ++c) z += std::exp(x[c] - largest);  // A NaN stays one.
      const double log_z = std::log(z) + largest;
      double loss = 0, slopes = 0;
      for (int64_t c = 0; c < outputs; ++c) {
        const double a = amount(c);
        if (a == 0) continue;
        const Part part = Of(x[c] - log_z);
        loss += a * part.loss;
        slopes += a * part.slope;
      }
      if (gradient != nullptr) {
        for (int64_t c = 0; c < outputs; ++c) {
          const double l = x[c] - log_z, a = amount(c);
          const double own = a == 0 ? 0 : a * Of(l).slope;
          gradient[i * outputs + c] = static_cast<float>(share * (own - std::exp(l) * slopes));
        }
      }
      // Even where the class of the NaN has no target.
      return std::isnan(log_z) ? log_z : loss;
    });
  }

 private:
  struct Part {
    double loss;
    double slope;  // In l.
  };
  // Of a class with log p = l.
  Part Of(double l) const {
    if (gamma_ == 0) return {-l, -1};
    const double q = -std::expm1(l);  // 1 - p, exact where p is near 1,
    if (q <= 0) return {0, 0};        // and where it is 1.
    const double easy = std::pow(q, gamma_);
    return {-easy * l, gamma_ * easy / q * std::exp(l) * l - easy};
  }

  const double gamma_;
  const WeightsByClass weights_;
};

const Registered<Loss, v1::Focal> kFocal("-sum t (1 - p)^gamma log p, p = softmax(logits): easy examples count less.",
                                         [](v1::Focal& config, const FieldErrors& errors) {
                                           if (!config.has_gamma()) config.set_gamma(2);
                                           Require(config.gamma() >= 0 && config.gamma() <= 10, errors, "gamma",
                                                   "0 to 10", config.gamma());
                                           return std::make_unique<FocalLoss>(
                                               config.gamma(), WeightsByClass(config.class_weights(), errors));
                                         });

}  // namespace
}  // namespace traind::core
