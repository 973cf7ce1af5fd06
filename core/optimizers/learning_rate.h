// The learning rate of every step: base rate, warm-up, schedule. Immutable; safe to share.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "core/kinds/optimizer.h"

namespace traind::core {

class LearningRate {
 public:
  LearningRate(double base, uint64_t warmup_steps, std::unique_ptr<Schedule> schedule)
      : base_(base), warmup_steps_(warmup_steps), schedule_(std::move(schedule)) {}

  // At step `t`, from 0, of `total`. The first W = warmup_steps rise linearly, (t + 1) / W of the base rate; the
  // schedule runs over the total - W steps that remain. Without what a schedule by evaluation has made of it.
  double At(uint64_t t, uint64_t total) const {
    if (t < warmup_steps_) return base_ * (static_cast<double>(t + 1) / static_cast<double>(warmup_steps_));
    return base_ * schedule_->Factor(OfSchedule(t), OfSchedule(total));
  }

  // The optimizer's momentum at the same step; nullopt where the schedule leaves it alone. In a warm-up it is that of
  // the schedule's first step.
  std::optional<double> MomentumAt(uint64_t t, uint64_t total) const {
    if (!schedule_->moves_momentum()) return std::nullopt;
    return schedule_->Momentum(OfSchedule(t), OfSchedule(total));
  }

  const Schedule& schedule() const { return *schedule_; }

 private:
  uint64_t OfSchedule(uint64_t t) const {
    if (schedule_->counts_warmup()) return t;
    return t > warmup_steps_ ? t - warmup_steps_ : 0;
  }

  const double base_;
  const uint64_t warmup_steps_;
  const std::unique_ptr<const Schedule> schedule_;
};

}  // namespace traind::core
