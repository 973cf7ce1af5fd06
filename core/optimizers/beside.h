// What stands beside every optimizer: averages of the weights (Ema, Swa) and Lookahead. Says what an update does to
// them; the pass over the weights (update.h) does it. Pure; thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "core/base/errors.h"
#include "traind/v1/optimizer.pb.h"

namespace traind::core {

// Of one update, after the optimizer's step.
struct BesideUpdate {
  std::optional<double> average;  // average += this (w - average); 1 copies the weights. nullopt leaves the average.
  bool begins_slow = false;       // The slow weights are those before the update.
  std::optional<double> pull;     // slow += this (w - slow); w = slow.
};

class Beside {
 public:
  Beside() = default;
  // `config` is checked (ResolveBeside).
  explicit Beside(const v1::Optimizer& config);

  bool averages() const { return has_ema_ || has_swa_; }
  bool looks_ahead() const { return has_lookahead_; }
  // Names of the state tensors, in this order: "average", "slow". They begin anew with the optimizer's state.
  std::vector<std::string_view> slots() const;

  // Of the update after which `step` steps are done, which is number `update`, from 1, since the state began.
  BesideUpdate Of(uint64_t step, uint64_t update) const;
  // Whether there is an average after it.
  bool HasAverage(uint64_t step, uint64_t update) const;

 private:
  uint64_t Averaged(uint64_t step) const;  // By swa, of the steps 1 to `step`.

  bool has_ema_ = false, has_swa_ = false, has_lookahead_ = false;
  v1::Ema ema_;
  v1::Swa swa_;
  v1::Lookahead lookahead_;
};

// Checks ema, swa and lookahead, and fills in their defaults but the lengths that depend on the job.
void ResolveBeside(v1::Optimizer& config, const FieldErrors& errors);

}  // namespace traind::core
