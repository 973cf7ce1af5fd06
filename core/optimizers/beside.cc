#include "core/optimizers/beside.h"

#include <algorithm>

#include "core/base/require.h"
#include "core/optimizers/lengths.h"

namespace traind::core {

Beside::Beside(const v1::Optimizer& config)
    : has_ema_(config.has_ema()),
      has_swa_(config.has_swa()),
      has_lookahead_(config.has_lookahead()),
      ema_(config.ema()),
      swa_(config.swa()),
      lookahead_(config.lookahead()) {}

std::vector<std::string_view> Beside::slots() const {
  std::vector<std::string_view> slots;
  if (averages()) slots.emplace_back("average");
  if (looks_ahead()) slots.emplace_back("slow");
  return slots;
}

uint64_t Beside::Averaged(uint64_t step) const {
  const uint64_t begin = std::max<uint64_t>(1, swa_.begin_steps()), every = std::max(1u, swa_.every_steps());
  return step < begin ? 0 : (step - begin) / every + 1;
}

BesideUpdate Beside::Of(uint64_t step, uint64_t update) const {
  BesideUpdate beside;
  if (has_ema_) {
    const auto n = static_cast<double>(update);
    const double decay = ema_.ramp() ? std::min(ema_.decay(), (1 + n) / (10 + n)) : ema_.decay();
    beside.average = update == 1 ? 1 : 1 - decay;
  }
  if (has_swa_ && Averaged(step) > Averaged(step - 1)) {
    beside.average = 1 / static_cast<double>(Averaged(step) - Averaged(step - update));
  }
  if (has_lookahead_) {
    beside.begins_slow = update == 1;
    if (update % lookahead_.every_steps() == 0) beside.pull = lookahead_.alpha();
  }
  return beside;
}

bool Beside::HasAverage(uint64_t step, uint64_t update) const {
  return update > 0 && (has_ema_ || (has_swa_ && Averaged(step) > Averaged(step - update)));
}

void ResolveBeside(v1::Optimizer& config, const FieldErrors& errors) {
  if (config.has_ema()) {
    v1::Ema& ema = *config.mutable_ema();
    if (!ema.has_decay()) ema.set_decay(0.999);
    Require(ema.decay() > 0 && ema.decay() < 1, errors.At("ema"), "decay", "in (0, 1)", ema.decay());
    if (config.has_swa()) errors.At("swa").Add("cannot be given together with ema");
  }
  if (config.has_swa()) CheckLengths(config.swa(), errors.At("swa"));
  if (config.has_lookahead()) {
    v1::Lookahead& lookahead = *config.mutable_lookahead();
    if (!lookahead.has_every_steps()) lookahead.set_every_steps(5);
    if (!lookahead.has_alpha()) lookahead.set_alpha(0.5);
    const FieldErrors at = errors.At("lookahead");
    Require(lookahead.every_steps() >= 1 && lookahead.every_steps() <= 1'000'000, at, "every_steps", "1 to 1000000",
            lookahead.every_steps());
    Require(lookahead.alpha() > 0 && lookahead.alpha() <= 1, at, "alpha", "in (0, 1]", lookahead.alpha());
  }
}

}  // namespace traind::core
