// The mean over the outputs of |output - target|; where they are equal the gradient is 0.
#include <cmath>
#include <memory>

#include "core/losses/regression_loss.h"

namespace traind::core {
namespace {

class MeanAbsoluteErrorLoss final : public Loss {
 public:
  bool takes_labels() const override { return false; }
  double Compute(const float* output, const Targets& targets, int64_t n, int64_t outputs,
                 float* gradient) const override {
    return MeanOverOutputs(output, targets, n, outputs, gradient, [](double x, double t, double* slope) {
      const double error = x - t;
      *slope = error > 0 ? 1 : error < 0 ? -1 : 0 * error;  // A NaN stays one.
      return std::abs(error);
    });
  }
};

const Registered<Loss, v1::MeanAbsoluteError> kMeanAbsoluteError(
    "The mean over the outputs of |output - target|, for float targets.",
    [](v1::MeanAbsoluteError&, const FieldErrors&) { return std::make_unique<MeanAbsoluteErrorLoss>(); });

}  // namespace
}  // namespace traind::core
