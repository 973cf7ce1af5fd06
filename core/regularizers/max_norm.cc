// The weights that go into one unit are at most `limit` long (Srivastava et al. 2014, section 5.1).
#include <memory>

#include "core/base/require.h"
#include "core/kinds/regularizer.h"

namespace traind::core {
namespace {

class RowLimit final : public Regularizer {
 public:
  explicit RowLimit(double limit) : limit_(limit) {}
  PenaltyStrength strength() const override { return {.max_norm = limit_}; }
  bool of_rows() const override { return true; }

 private:
  const double limit_;
};

const Registered<Regularizer, v1::MaxNorm> kMaxNorm(
    "A constraint: after each update no unit's incoming weights have a 2-norm above the limit.",
    [](v1::MaxNorm& config, const FieldErrors& errors) {
      if (config.limit() == 0) {
        errors.At("limit").Add("is required: the largest 2-norm of a row of weights, above 0, for example 3");
      } else {
        Require(IsPositiveFloat(config.limit()), errors, "limit", "finite and above 0", config.limit());
      }
      return std::make_unique<RowLimit>(config.limit());
    });

}  // namespace
}  // namespace traind::core
