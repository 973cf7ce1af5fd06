// 1 at every step.
#include <memory>

#include "core/kinds/optimizer.h"

namespace traind::core {
namespace {

class ConstantFactor final : public Schedule {
 public:
  double Factor(uint64_t /*t*/, uint64_t /*total*/) const override { return 1; }
};

const Registered<Schedule, v1::ConstantSchedule> kConstant("The same rate at every step.",
                                                           [](v1::ConstantSchedule&, const FieldErrors&) {
                                                             return std::make_unique<ConstantFactor>();
                                                           });

}  // namespace
}  // namespace traind::core
