#include "core/insight/history.h"

#include <algorithm>

namespace traind::core {
namespace {

constexpr size_t kRecent = 16;
constexpr size_t kWhole = 64;

void AddTo(Stretch& sum, const Stretch& one) {
  sum.step = one.step;
  sum.loss += one.loss;
  sum.penalty += one.penalty;
  sum.learning_rate += one.learning_rate;
  sum.gradient_norm += one.gradient_norm;
  sum.step_ms += one.step_ms;
  sum.data_wait_ms += one.data_wait_ms;
}

Stretch MeanOf(const Stretch& sum, double count) {
  return {sum.step,
          sum.loss / count,
          sum.penalty / count,
          sum.learning_rate / count,
          sum.gradient_norm / count,
          sum.step_ms / count,
          sum.data_wait_ms / count};
}

}  // namespace

bool History::Add(uint64_t step, const v1::TrainMetrics& train, const v1::Timing& timing) {
  if (step == 1) first_loss_ = train.loss();
  peak_learning_rate_ = std::max(peak_learning_rate_, train.learning_rate());
  AddTo(sum_, {step, train.loss(), train.penalty(), train.learning_rate(), train.gradient_norm(), timing.step_ms(),
               timing.data_wait_ms()});
  if (++summed_ < kStretch) return false;
  Keep(MeanOf(sum_, kStretch));
  sum_ = {};
  summed_ = 0;
  return true;
}

void History::Keep(const Stretch& stretch) {
  best_loss_ = stretches_ == 0 ? stretch.loss : std::min(best_loss_, stretch.loss);
  ++stretches_;
  recent_.push_back(stretch);
  if (recent_.size() > kRecent) recent_.pop_front();
  AddTo(merging_, stretch);
  if (++in_merge_ < merged_) return;
  whole_.push_back(MeanOf(merging_, static_cast<double>(merged_)));
  merging_ = {};
  in_merge_ = 0;
  if (whole_.size() < kWhole) return;
  for (size_t i = 0; i < kWhole / 2; ++i) {
    Stretch pair;
    AddTo(pair, whole_[2 * i]);
    AddTo(pair, whole_[2 * i + 1]);
    whole_[i] = MeanOf(pair, 2);
  }
  whole_.resize(kWhole / 2);
  merged_ *= 2;
}

void History::Add(uint64_t step, const v1::EvaluationMetrics& evaluation) {
  const double train = recent_.empty() ? 0 : recent_.back().loss;
  if (evaluations_.empty() || evaluation.loss() < best_evaluation_) {
    best_evaluation_ = evaluation.loss();
    best_evaluation_step_ = step;
    train_loss_at_best_ = train;
  }
  const double training = evaluation.minibatch_train_mode_loss();
  const double modes_ratio = training > 0 ? evaluation.minibatch_test_mode_loss() / training : 0;
  evaluations_.push_back({step, evaluation.loss(), train, modes_ratio});
  if (evaluations_.size() > kRecent) evaluations_.pop_front();
}

double History::RecentLoss(int count) const {
  const size_t n = std::min<size_t>(count, recent_.size());
  double sum = 0;
  for (size_t i = recent_.size() - n; i < recent_.size(); ++i) sum += recent_[i].loss;
  return sum / static_cast<double>(n);
}

double History::MedianGradientNorm() const {
  std::vector<double> norms;
  for (const Stretch& stretch : whole_) norms.push_back(stretch.gradient_norm);
  if (norms.empty()) return 0;
  std::nth_element(norms.begin(), norms.begin() + static_cast<std::ptrdiff_t>(norms.size() / 2), norms.end());
  return norms[norms.size() / 2];
}

}  // namespace traind::core
