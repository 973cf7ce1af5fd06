// sum over c != label of max(0, x_c - x_label + margin) (Weston & Watkins 1999). At a kink the gradient is 0.
#include <memory>

#include "core/base/require.h"
#include "core/kinds/loss.h"
#include "core/losses/example_sum.h"

namespace traind::core {
namespace {

class MulticlassHingeLoss final : public Loss {
 public:
  explicit MulticlassHingeLoss(double margin) : margin_(margin) {}

  bool takes_values() const override { return false; }
  OutputMeaning output_meaning() const override { return OutputMeaning::kScores; }

  double Compute(const float* output, const Targets& targets, int64_t n, int64_t outputs,
                 float* gradient) const override {
    const auto share = static_cast<float>(1 / static_cast<double>(n));
    return SumOverExamples(n, outputs, [&](int64_t i) {
      const float* x = output + i * outputs;
      float* g = gradient == nullptr ? nullptr : gradient + i * outputs;
      const int32_t label = targets.labels[i];
      double sum = 0;
      int64_t violations = 0;
      for (int64_t c = 0; c < outputs; ++c) {
        const double excess = static_cast<double>(x[c]) - x[label] + margin_;
        const bool violates = c != label && !(excess <= 0);  // So that a NaN reaches the loss.
        if (violates) {
          sum += excess;
          ++violations;
        }
        if (g != nullptr) g[c] = violates ? share : 0.0f;
      }
      if (g != nullptr) g[label] = -static_cast<float>(static_cast<double>(violations) / static_cast<double>(n));
      return sum;
    });
  }

 private:
  const double margin_;
};

const Registered<Loss, v1::MulticlassHinge> kMulticlassHinge(
    "The sum over wrong classes of max(0, logit - logit of the label + margin).",
    [](v1::MulticlassHinge& config, const FieldErrors& errors) {
      if (!config.has_margin()) config.set_margin(1);
      Require(config.margin() > 0 && IsFiniteFloat(config.margin()), errors, "margin", "finite and above 0",
              config.margin());
      return std::make_unique<MulticlassHingeLoss>(config.margin());
    });

}  // namespace
}  // namespace traind::core
