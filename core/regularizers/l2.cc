// strength * sum w^2
#include <memory>

#include "core/base/require.h"
#include "core/regularizers/penalty.h"

namespace traind::core {
namespace {

const Registered<Regularizer, v1::L2> kL2("strength * sum w^2: prefers small, spread-out weights (slide 69).",
                                          [](v1::L2& config, const FieldErrors& errors) {
                                            Require(IsStrength(config.strength()), errors, "strength",
                                                    "finite and at least 0", config.strength());
                                            return std::make_unique<Penalty>(PenaltyStrength{.l2 = config.strength()});
                                          });

}  // namespace
}  // namespace traind::core
