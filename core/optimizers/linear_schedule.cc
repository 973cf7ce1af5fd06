// From 1 to final_factor along a line.
#include <memory>

#include "core/kinds/optimizer.h"
#include "core/optimizers/schedule_parts.h"

namespace traind::core {
namespace {

class LinearFactor final : public Schedule {
 public:
  explicit LinearFactor(double final_factor) : final_factor_(final_factor) {}
  double Factor(uint64_t t, uint64_t total) const override { return 1 - (1 - final_factor_) * Progress(t, total); }

 private:
  const double final_factor_;
};

const Registered<Schedule, v1::LinearSchedule> kLinear("From 1 to the final factor along a line.",
                                                       [](v1::LinearSchedule& config, const FieldErrors& errors) {
                                                         RequireFinalFactor(config.final_factor(), errors);
                                                         return std::make_unique<LinearFactor>(config.final_factor());
                                                       });

}  // namespace
}  // namespace traind::core
