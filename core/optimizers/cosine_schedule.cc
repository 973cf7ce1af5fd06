// From 1 to final_factor along half a cosine (Loshchilov & Hutter 2017, without restarts).
#include <memory>

#include "core/kinds/optimizer.h"
#include "core/optimizers/schedule_parts.h"

namespace traind::core {
namespace {

class CosineFactor final : public Schedule {
 public:
  explicit CosineFactor(double final_factor) : final_factor_(final_factor) {}
  double Factor(uint64_t t, uint64_t total) const override { return HalfCosine(1, final_factor_, Progress(t, total)); }

 private:
  const double final_factor_;
};

const Registered<Schedule, v1::CosineSchedule> kCosine("From 1 to the final factor along half a cosine.",
                                                       [](v1::CosineSchedule& config, const FieldErrors& errors) {
                                                         RequireFinalFactor(config.final_factor(), errors);
                                                         return std::make_unique<CosineFactor>(config.final_factor());
                                                       });

}  // namespace
}  // namespace traind::core
