// The mean over the outputs of (output - target)^2; class labels count as one-hot rows.
#include <memory>

#include "core/kinds/loss.h"
#include "core/losses/example_sum.h"

namespace traind::core {
namespace {

class MeanSquaredErrorLoss final : public Loss {
 public:
  double Compute(const float* output, const Targets& targets, int64_t n, int64_t outputs,
                 float* gradient) const override {
    const double scale = 2 / (static_cast<double>(outputs) * static_cast<double>(n));
    return SumOverExamples(n, outputs, [&](int64_t i) {
      const float* x = output + i * outputs;
      double sum = 0;
      for (int64_t c = 0; c < outputs; ++c) {
        const double target = targets.labels != nullptr ? (c == targets.labels[i] ? 1.0 : 0.0)
                                                        : static_cast<double>(targets.values[i * outputs + c]);
        const double error = x[c] - target;
        sum += error * error;
        if (gradient != nullptr) gradient[i * outputs + c] = static_cast<float>(scale * error);
      }
      return sum / static_cast<double>(outputs);
    });
  }
};

const Registered<Loss, v1::MeanSquaredError> kMeanSquaredError(
    "The mean over the outputs of (output - target)^2, for float targets or one-hot class labels.",
    [](v1::MeanSquaredError&, const FieldErrors&) { return std::make_unique<MeanSquaredErrorLoss>(); });

}  // namespace
}  // namespace traind::core
