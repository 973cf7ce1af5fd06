// The schedules (optimizer.proto): constant, step, cosine, linear.
#include <algorithm>
#include <cmath>
#include <memory>
#include <numbers>

#include "core/base/require.h"
#include "core/kinds/optimizer.h"

namespace traind::core {
namespace {

// The share of the run that is done, in [0, 1].
double Progress(uint64_t t, uint64_t total) {
  return total == 0 ? 0 : std::min(1.0, static_cast<double>(t) / static_cast<double>(total));
}

class Constant final : public Schedule {
 public:
  double Factor(uint64_t /*t*/, uint64_t /*total*/) const override { return 1; }
};

class Step final : public Schedule {
 public:
  explicit Step(const v1::StepSchedule& config) : every_steps_(config.every_steps()), factor_(config.factor()) {}
  double Factor(uint64_t t, uint64_t /*total*/) const override {
    const uint64_t drops = t / every_steps_;
    return std::pow(factor_, static_cast<double>(drops));
  }

 private:
  const uint64_t every_steps_;
  const double factor_;
};

class Cosine final : public Schedule {
 public:
  explicit Cosine(double final_factor) : final_factor_(final_factor) {}
  double Factor(uint64_t t, uint64_t total) const override {
    return final_factor_ + (1 - final_factor_) * 0.5 * (1 + std::cos(std::numbers::pi * Progress(t, total)));
  }

 private:
  const double final_factor_;
};

class Linear final : public Schedule {
 public:
  explicit Linear(double final_factor) : final_factor_(final_factor) {}
  double Factor(uint64_t t, uint64_t total) const override { return 1 - (1 - final_factor_) * Progress(t, total); }

 private:
  const double final_factor_;
};

void CheckFinalFactor(double value, const FieldErrors& errors) {
  Require(value >= 0 && value <= 1, errors, "final_factor", "in [0, 1]", value);
}

const Registered<Schedule, v1::ConstantSchedule> kConstant("The same rate at every step.",
                                                           [](v1::ConstantSchedule&, const FieldErrors&) {
                                                             return std::make_unique<Constant>();
                                                           });

const Registered<Schedule, v1::StepSchedule> kStep("Multiplies the rate by a factor every so many steps.",
                                                   [](v1::StepSchedule& config,
                                                      const FieldErrors& errors) -> std::unique_ptr<Schedule> {
                                                     if (!config.has_factor()) config.set_factor(0.1);
                                                     Require(config.factor() > 0 && config.factor() <= 1, errors,
                                                             "factor", "in (0, 1]", config.factor());
                                                     if (config.every_steps() == 0) {
                                                       errors.At("every_steps").Add("must be at least 1");
                                                       return nullptr;
                                                     }
                                                     return std::make_unique<Step>(config);
                                                   });

const Registered<Schedule, v1::CosineSchedule> kCosine("From 1 to the final factor along half a cosine.",
                                                       [](v1::CosineSchedule& config, const FieldErrors& errors) {
                                                         CheckFinalFactor(config.final_factor(), errors);
                                                         return std::make_unique<Cosine>(config.final_factor());
                                                       });

const Registered<Schedule, v1::LinearSchedule> kLinear("From 1 to the final factor along a line.",
                                                       [](v1::LinearSchedule& config, const FieldErrors& errors) {
                                                         CheckFinalFactor(config.final_factor(), errors);
                                                         return std::make_unique<Linear>(config.final_factor());
                                                       });

}  // namespace
}  // namespace traind::core
