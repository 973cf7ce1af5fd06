// The mean over the outputs of -(w t (1 - p)^g log p + (1 - t) p^g log(1 - p)), p = sigmoid(x); g = 0 is the plain one,
// g > 0 the focal loss of Lin et al. 2017. With softplus(x) = log(1 + exp x), log p = -softplus(-x) and log(1 - p) =
// -softplus(x), which neither overflow nor lose the small ones.
#include <cmath>
#include <memory>
#include <vector>

#include "core/base/require.h"
#include "core/kinds/loss.h"
#include "core/losses/example_sum.h"

namespace traind::core {
namespace {

double Softplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }

class BinaryCrossEntropyLoss final : public Loss {
 public:
  explicit BinaryCrossEntropyLoss(const v1::BinaryCrossEntropy& config)
      : positive_(config.positive_weights().begin(), config.positive_weights().end()), gamma_(config.gamma()) {}

  OutputMeaning output_meaning() const override { return OutputMeaning::kLogOdds; }
  TargetRange target_range() const override { return {.least = 0, .most = 1}; }

  void CheckSizes(int64_t outputs, int64_t /*classes*/, const FieldErrors& errors) const override {
    if (positive_.size() <= 1 || static_cast<int64_t>(positive_.size()) == outputs) return;
    errors.At("positive_weights")
        .Add(absl::StrCat("has ", positive_.size(), " numbers, and the network has ", outputs,
                          " outputs: give one for each, or one for all"));
  }

  double Compute(const float* output, const Targets& targets, int64_t n, int64_t outputs,
                 float* gradient) const override {
    const double share = 1 / (static_cast<double>(outputs) * static_cast<double>(n));
    return SumOverExamples(n, outputs, [&](int64_t i) {
      double sum = 0;
      for (int64_t c = 0; c < outputs; ++c) {
        const int64_t k = i * outputs + c;
        sum += Term(output[k], Target(targets, i, c, outputs), PositiveWeight(c), share,
                    gradient == nullptr ? nullptr : gradient + k);
      }
      return sum / static_cast<double>(outputs);
    });
  }

 private:
  static double Target(const Targets& targets, int64_t i, int64_t c, int64_t outputs) {
    if (targets.labels == nullptr) return double{targets.values[i * outputs + c]};
    if (outputs == 1) return targets.labels[i];
    return c == targets.labels[i] ? 1 : 0;
  }
  double PositiveWeight(int64_t c) const {
    return positive_.empty() ? 1 : positive_.size() == 1 ? positive_[0] : positive_[static_cast<size_t>(c)];
  }

  // The loss of one output x with the target t; `gradient`, unless null, becomes its slope times `share`.
  double Term(double x, double t, double weight, double share, float* gradient) const {
    const double log_p = -Softplus(-x), log_q = -Softplus(x);  // q = 1 - p
    const double p = std::exp(log_p), q = std::exp(log_q);
    const double easy_yes = gamma_ == 0 ? 1 : std::pow(q, gamma_);  // Small where the answer is clear.
    const double easy_no = gamma_ == 0 ? 1 : std::pow(p, gamma_);
    const double yes = weight * t, no = 1 - t;
    if (gradient != nullptr) {
      const double of_yes = easy_yes * (gamma_ * p * log_p - q);
      const double of_no = easy_no * (p - gamma_ * q * log_q);
      *gradient = static_cast<float>(share * (yes * of_yes + no * of_no));
    }
    return -(yes * easy_yes * log_p + no * easy_no * log_q);
  }

  const std::vector<double> positive_;
  const double gamma_;
};

const Registered<Loss, v1::BinaryCrossEntropy> kBinaryCrossEntropy(
    "-(t log p + (1 - t) log(1 - p)), p = sigmoid(output): many labels, or one output for two classes.",
    [](v1::BinaryCrossEntropy& config, const FieldErrors& errors) {
      for (int i = 0; i < config.positive_weights_size(); ++i) {
        if (IsPositiveFloat(config.positive_weights(i))) continue;
        errors.At("positive_weights", i)
            .Add(absl::StrCat("must be finite and above 0, not ", config.positive_weights(i)));
      }
      Require(config.gamma() >= 0 && config.gamma() <= 10, errors, "gamma", "0 to 10", config.gamma());
      return std::make_unique<BinaryCrossEntropyLoss>(config);
    });

}  // namespace
}  // namespace traind::core
