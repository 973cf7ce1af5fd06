// l1 * sum |w| + l2 * sum w^2
#include <memory>

#include "core/base/require.h"
#include "core/regularizers/penalty.h"

namespace traind::core {
namespace {

const Registered<Regularizer, v1::ElasticNet> kElasticNet(
    "l1 * sum |w| + l2 * sum w^2 (slide 69).", [](v1::ElasticNet& config, const FieldErrors& errors) {
      Require(IsStrength(config.l1()), errors, "l1", "finite and at least 0", config.l1());
      Require(IsStrength(config.l2()), errors, "l2", "finite and at least 0", config.l2());
      return std::make_unique<Penalty>(PenaltyStrength{.l1 = config.l1(), .l2 = config.l2()});
    });

}  // namespace
}  // namespace traind::core
