// The mean over the outputs of exp(output) - target * output: the negative log likelihood of counts whose expectation
// is exp(output), without log(target!).
#include <cmath>
#include <memory>

#include "core/losses/regression_loss.h"

namespace traind::core {
namespace {

class PoissonNllLoss final : public Loss {
 public:
  bool takes_labels() const override { return false; }
  OutputMeaning output_meaning() const override { return OutputMeaning::kLogRates; }
  TargetRange target_range() const override { return {.least = 0}; }

  double Compute(const float* output, const Targets& targets, int64_t n, int64_t outputs,
                 float* gradient) const override {
    return MeanOverOutputs(output, targets, n, outputs, gradient, [](double x, double t, double* slope) {
      const double rate = std::exp(x);
      *slope = rate - t;
      return rate - t * x;
    });
  }
};

const Registered<Loss, v1::PoissonNll> kPoissonNll(
    "exp(output) - target * output, for counts: the output is the logarithm of the expected one.",
    [](v1::PoissonNll&, const FieldErrors&) { return std::make_unique<PoissonNllLoss>(); });

}  // namespace
}  // namespace traind::core
