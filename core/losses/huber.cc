// The mean over the outputs of e^2 / 2 where |e| <= delta, and delta (|e| - delta / 2) beyond (Huber 1964).
#include <algorithm>
#include <cmath>
#include <memory>

#include "core/base/require.h"
#include "core/losses/regression_loss.h"

namespace traind::core {
namespace {

class HuberLoss final : public Loss {
 public:
  explicit HuberLoss(double delta) : delta_(delta) {}

  bool takes_labels() const override { return false; }
  double Compute(const float* output, const Targets& targets, int64_t n, int64_t outputs,
                 float* gradient) const override {
    return MeanOverOutputs(output, targets, n, outputs, gradient, [this](double x, double t, double* slope) {
      const double error = x - t;
      *slope = std::clamp(error, -delta_, delta_);
      return std::abs(error) <= delta_ ? error * error / 2 : delta_ * (std::abs(error) - delta_ / 2);
    });
  }

 private:
  const double delta_;
};

const Registered<Loss, v1::Huber> kHuber("Half the squared error up to delta, and linear beyond: outliers pull less.",
                                         [](v1::Huber& config, const FieldErrors& errors) {
                                           if (!config.has_delta()) config.set_delta(1);
                                           Require(IsPositiveFloat(config.delta()), errors, "delta",
                                                   "finite and above 0", config.delta());
                                           return std::make_unique<HuberLoss>(config.delta());
                                         });

}  // namespace
}  // namespace traind::core
