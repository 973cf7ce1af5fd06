// How the loss has gone so far, in bounded memory: what rules ask of TRAIN and EVALUATION events. A value type.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "traind/v1/event.pb.h"

namespace traind::core {

// Of so many TRAIN events in a row: a minibatch alone is noise.
inline constexpr int kStretch = 5;

// Means over a stretch; `step` is its last one.
struct Stretch {
  uint64_t step = 0;
  double loss = 0;
  double penalty = 0;
  double learning_rate = 0;
  double gradient_norm = 0;
  double step_ms = 0;       // Real time, ...
  double data_wait_ms = 0;  // ... and what of it is spent waiting for a minibatch.
};

// Of one evaluation.
struct Evaluated {
  uint64_t step = 0;
  double loss = 0;
  double train_loss = 0;  // Of the newest stretch then.
  // Of one training minibatch, in test mode over in training mode; 0: not measured.
  double modes_ratio = 0;
};

class History {
 public:
  // True when a stretch is complete.
  bool Add(uint64_t step, const v1::TrainMetrics& train, const v1::Timing& timing);
  void Add(uint64_t step, const v1::EvaluationMetrics& evaluation);

  std::optional<double> first_loss() const { return first_loss_; }  // Of the first step of the job.
  double peak_learning_rate() const { return peak_learning_rate_; }
  int64_t stretches() const { return stretches_; }
  // The newest ones, at most 16.
  const std::deque<Stretch>& recent() const { return recent_; }
  // The whole job, thinned to at most 64 stretches of equal length, which grow with it.
  const std::vector<Stretch>& whole() const { return whole_; }
  // Mean loss of the newest `count` stretches; at least one is there.
  double RecentLoss(int count) const;
  double best_loss() const { return best_loss_; }  // Of a stretch.
  double MedianGradientNorm() const;               // Over the whole.
  // The newest ones, at most 16, and the lowest loss of all.
  const std::deque<Evaluated>& evaluations() const { return evaluations_; }
  double best_evaluation() const { return best_evaluation_; }
  uint64_t best_evaluation_step() const { return best_evaluation_step_; }
  double train_loss_at_best() const { return train_loss_at_best_; }

 private:
  void Keep(const Stretch& stretch);

  std::optional<double> first_loss_;
  double peak_learning_rate_ = 0;
  int64_t stretches_ = 0;
  double best_loss_ = 0;
  Stretch sum_;  // Of the stretch under way.
  int summed_ = 0;
  std::deque<Stretch> recent_;
  std::vector<Stretch> whole_;
  int64_t merged_ = 1;  // Stretches in each of `whole_`.
  Stretch merging_;
  int64_t in_merge_ = 0;
  std::deque<Evaluated> evaluations_;
  double best_evaluation_ = 0;
  uint64_t best_evaluation_step_ = 0;
  double train_loss_at_best_ = 0;
};

}  // namespace traind::core
