// y = x. Appends nothing to the plan.
#include <memory>

#include "core/kinds/activation.h"
#include "core/kinds/planner.h"

namespace traind::core {
namespace {

class IdentityActivation final : public Activation {
 public:
  LayerShape Infer(absl::Span<const Shape> inputs, const FieldErrors& /*errors*/) const override {
    return {.output = inputs[0], .parameters = {}, .forward_flops = 0};
  }

  LayerTraits traits() const override { return {.linear = true, .homogeneous = true}; }

  absl::StatusOr<BackwardPlan> Plan(Planner& planner) const override {
    planner.SetOutput(planner.Input());
    if (!planner.training()) return BackwardPlan();
    return BackwardPlan([](Planner& backward) {
      if (backward.NeedsInputGradient()) backward.SetInputGradient(0, backward.OutputGradient());
      return absl::OkStatus();
    });
  }
};

const Registered<Activation, v1::Identity> kIdentity("y = x.", [](v1::Identity&, const FieldErrors&) {
  return std::make_unique<IdentityActivation>();
});

}  // namespace
}  // namespace traind::core
