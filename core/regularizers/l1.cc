// strength * sum |w|
#include <memory>

#include "core/base/require.h"
#include "core/regularizers/penalty.h"

namespace traind::core {
namespace {

const Registered<Regularizer, v1::L1> kL1("strength * sum |w|: drives weights to exactly zero (slide 69).",
                                          [](v1::L1& config, const FieldErrors& errors) {
                                            Require(IsStrength(config.strength()), errors, "strength",
                                                    "finite and at least 0", config.strength());
                                            return std::make_unique<Penalty>(PenaltyStrength{.l1 = config.strength()});
                                          });

}  // namespace
}  // namespace traind::core
