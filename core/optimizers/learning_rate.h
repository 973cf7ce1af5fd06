// The learning rate of every step: base rate, warm-up, schedule. Immutable; safe to share.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "core/kinds/optimizer.h"

namespace traind::core {

class LearningRate {
 public:
  LearningRate(double base, uint64_t warmup_steps, std::unique_ptr<Schedule> schedule)
      : base_(base), warmup_steps_(warmup_steps), schedule_(std::move(schedule)) {}

  // At step `t`, from 0, of `total`. The first W = warmup_steps rise linearly, (t + 1) / W of the base rate; the
  // schedule runs over the total - W steps that remain.
  double At(uint64_t t, uint64_t total) const {
    if (t < warmup_steps_) return base_ * (static_cast<double>(t + 1) / static_cast<double>(warmup_steps_));
    return base_ * schedule_->Factor(t - warmup_steps_, total > warmup_steps_ ? total - warmup_steps_ : 0);
  }

 private:
  const double base_;
  const uint64_t warmup_steps_;
  const std::unique_ptr<const Schedule> schedule_;
};

}  // namespace traind::core
