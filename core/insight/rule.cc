#include "core/insight/rule.h"

#include <algorithm>
#include <cmath>

#include "core/insight/loss_of_answer.h"
#include "core/insight/sentence.h"

namespace traind::core {
namespace {

constexpr int kRecentStretches = 3;
constexpr int kLastingStretches = 6;
constexpr int kEarliest = 6;        // Stretches.
constexpr double kGoodShare = 0.9;  // Of the loss to beat: what has got below it gets on.
constexpr double kFast = 0.8;       // Of the loss three stretches before.
constexpr double kBeginning = 0.1;  // Of the job.

// Of an answer that gives each class its share.
struct OfClasses {
  explicit OfClasses(const v1::DataProfile& data) {
    double examples = 0;
    for (const int64_t count : data.class_counts()) examples += static_cast<double>(count);
    for (const int64_t count : data.class_counts()) {
      const double share = static_cast<double>(count) / examples;
      variance += share * (1 - share) / data.class_counts_size();
    }
  }
  double variance = 0;  // Mean over the classes: of one-hot rows.
};

// More than half of what was won, and not a little noise near zero.
bool HasLost(const History& history, double to_beat) {
  // The best stretch is a lucky one: what is lost must stay so for a while.
  const double recent = std::min(history.RecentLoss(kRecentStretches), history.RecentLoss(kLastingStretches));
  return recent - history.best_loss() > 0.5 * (to_beat - history.best_loss()) && recent > 1.5 * history.best_loss();
}

// On its way: a first loss far above that of a constant answer takes some steps to come down.
bool FallsFast(const History& history, double recent) {
  const std::deque<Stretch>& stretches = history.recent();
  if (stretches.size() < 2 * kRecentStretches) return false;
  double before = 0;
  for (size_t i = stretches.size() - 2 * kRecentStretches; i < stretches.size() - kRecentStretches; ++i) {
    before += stretches[i].loss / kRecentStretches;
  }
  return recent < kFast * before;
}

}  // namespace

Sighting& Sighting::At(const Node& layer) {
  finding.set_layer(layer.name);
  return *this;
}

Sighting& Sighting::AtTensor(const std::string& tensor) {
  finding.set_tensor(tensor);
  return *this;
}

Sighting& Sighting::Is(v1::Finding::Severity severity) {
  finding.set_severity(severity);
  return *this;
}

Sighting& Sighting::Weighs(Weight how_much) {
  weight = how_much;
  return *this;
}

Sighting& Sighting::Measured(const std::string& quantity, double value, v1::Evidence::Relation relation,
                             double threshold) {
  finding.mutable_evidence()->set_quantity(quantity);
  finding.mutable_evidence()->set_value(value);
  finding.mutable_evidence()->set_relation(relation);
  finding.mutable_evidence()->set_threshold(threshold);
  return *this;
}

Sighting& Sighting::Words(const std::string& words) {
  finding.mutable_fix()->set_words(Rounded(words));
  return *this;
}

Sighting& Add(std::vector<Sighting>& found, std::string cause) {
  Sighting& sighting = found.emplace_back();
  sighting.finding.set_severity(v1::Finding::SEVERITY_WARNING);
  sighting.finding.set_cause(Rounded(cause));
  return sighting;
}

std::optional<double> ConstantAnswerLoss(const View& view) {
  if (view.data == nullptr || view.facts.spec == nullptr) return std::nullopt;
  if (view.facts.spec->data().targets() == v1::TARGET_SOURCE_INPUT) return std::nullopt;
  const bool squares = view.facts.spec->loss().has_mean_squared_error();
  if (squares && view.data->has_target_variance()) return view.data->target_variance();
  if (view.data->class_counts_size() < 2) return std::nullopt;
  if (squares) return OfClasses(*view.data).variance;
  return LossOfShares(view.facts, view.data->class_counts());
}

double LossToBeat(const View& view) {
  const double first = view.history.first_loss().value_or(view.history.whole().front().loss);
  return std::min(first, ConstantAnswerLoss(view).value_or(first));
}

bool PastBeginning(const View& view, double share) {
  double steps = share * static_cast<double>(view.facts.total_steps);
  if (view.facts.steps_per_epoch > 0) steps = std::min(steps, static_cast<double>(view.facts.steps_per_epoch));
  return static_cast<double>(view.step) >= steps && view.history.stretches() >= kEarliest;
}

Course CourseOf(const View& view) {
  const History& history = view.history;
  if (history.stretches() < kRecentStretches) return Course::kUnknown;
  const double recent = history.RecentLoss(kRecentStretches), to_beat = LossToBeat(view);
  const double most = view.facts.continues ? 1.5 * to_beat : kGoodShare * to_beat;
  if (recent <= most && !HasLost(history, to_beat)) return Course::kGood;
  if (FallsFast(history, recent)) return Course::kUnknown;
  return PastBeginning(view, kBeginning) ? Course::kBad : Course::kUnknown;
}

}  // namespace traind::core
