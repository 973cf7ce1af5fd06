// sqrt(s / (s + t)): with s = warmup_steps the rate of Vaswani et al. 2017, as in fairseq.
#include <cmath>
#include <memory>

#include "core/kinds/optimizer.h"
#include "core/optimizers/schedule_parts.h"

namespace traind::core {
namespace {

class InverseSquareRootFactor final : public Schedule {
 public:
  explicit InverseSquareRootFactor(uint64_t timescale) : timescale_(static_cast<double>(timescale)) {}
  double Factor(uint64_t t, uint64_t /*total*/) const override {
    return std::sqrt(timescale_ / (timescale_ + static_cast<double>(t)));
  }

 private:
  const double timescale_;
};

const Registered<Schedule, v1::InverseSquareRootSchedule> kInverseSquareRoot(
    "Falls with the inverse square root of the steps (Vaswani et al. 2017).",
    [](v1::InverseSquareRootSchedule& config, const FieldErrors& errors) {
      const uint64_t timescale =
          RequireLength(config.timescale_steps(), config.timescale_epochs(), "timescale", errors);
      return std::make_unique<InverseSquareRootFactor>(timescale);
    });

}  // namespace
}  // namespace traind::core
