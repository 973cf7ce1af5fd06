#include "core/search/search.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/enum_name.h"
#include "core/search/algorithm.h"
#include "core/search/median.h"
#include "core/search/space.h"

namespace traind::core {
namespace {

bool IsTerminalState(v1::SweepState state) {
  return state == v1::SWEEP_STATE_SUCCEEDED || state == v1::SWEEP_STATE_FAILED || state == v1::SWEEP_STATE_CANCELLED;
}

v1::SweepEntry TurnTo(v1::SweepState state, std::string reason, v1::SweepState ends_as = v1::SWEEP_STATE_UNSPECIFIED) {
  v1::SweepEntry entry;
  entry.mutable_turn()->set_state(state);
  entry.mutable_turn()->set_reason(std::move(reason));
  entry.mutable_turn()->set_ends_as(ends_as);
  return entry;
}

// How far a trial has come: trials of equal epochs may have other steps. Not where its value is from, which with
// VALUE_BEST may be long before.
double Progress(const SearchTrial& trial) {
  const auto total = static_cast<double>(std::max<uint64_t>(trial.total_steps, 1));
  return static_cast<double>(trial.step) / total;
}

v1::SweepEntry AbandonedEntry(const SearchTrial& trial) {
  v1::SweepEntry entry;
  entry.set_trial(trial.number);
  entry.mutable_arrived()->set_state(v1::TRIAL_STATE_CANCELLED);
  entry.mutable_arrived()->set_step(trial.step);
  entry.mutable_arrived()->set_reason("the sweep is over, and its client has not completed it");
  return entry;
}

absl::Status Misplaced(const v1::SweepEntry& entry, absl::string_view why) {
  return absl::DataLossError(absl::StrCat("entry ", entry.sequence(), " of the log cannot come there: ", why));
}

// What an arrival leaves of a trial.
void Arrive(const v1::TrialArrived& arrived, const google::protobuf::Timestamp& time, SearchTrial& trial) {
  trial.state = arrived.state();
  if (trial.state == v1::TRIAL_STATE_HELD && trial.stopping) trial.state = v1::TRIAL_STATE_STOPPED;
  trial.step = std::max(trial.step, arrived.step());
  trial.reason = arrived.reason();
  trial.error = arrived.error();
  if (arrived.has_objective()) {
    trial.objective = arrived.objective();
    trial.objective_step = arrived.objective_step();
    if (trial.measurements.empty() || trial.measurements.back().step() < arrived.objective_step()) {
      trial.measurements.emplace_back();
      trial.measurements.back().set_step(arrived.objective_step());
      trial.measurements.back().set_value(arrived.objective());
    }
  }
  if (arrived.state() == v1::TRIAL_STATE_HELD) {
    // Where it held already it comes again after a rerun.
    if (!trial.held.empty() && trial.held.back().step == arrived.step()) trial.held.pop_back();
    trial.held.push_back({.step = arrived.step(), .value = std::nullopt});
    if (arrived.has_objective()) trial.held.back().value = arrived.objective();
  }
  if (!trial.ended()) return;
  trial.stopping = false;
  trial.end_time = time;
}

void Stop(const v1::TrialStopped& stopped, const google::protobuf::Timestamp& time, SearchTrial& trial) {
  trial.reason = stopped.reason();
  if (trial.state == v1::TRIAL_STATE_HELD) {
    trial.state = v1::TRIAL_STATE_STOPPED;
    trial.end_time = time;
  } else {
    trial.stopping = true;
  }
}

void ApplyToTrial(const v1::SweepEntry& entry, SearchTrial& trial) {
  if (entry.has_rerun()) {
    trial.state = v1::TRIAL_STATE_RUNNING;
    trial.reason.clear();
    trial.error.Clear();
    trial.end_time.Clear();
    ++trial.reruns;
    trial.rerun_time = entry.time();
  } else if (entry.has_promoted()) {
    trial.state = v1::TRIAL_STATE_RUNNING;
    trial.goal_step = entry.promoted().goal_step();
    trial.rung = entry.promoted().rung();
  } else if (entry.has_stopped()) {
    Stop(entry.stopped(), entry.time(), trial);
  } else if (entry.has_measured()) {
    trial.measurements.push_back(entry.measured().measurement());
    trial.step = std::max(trial.step, entry.measured().measurement().step());
  } else {
    Arrive(entry.arrived(), entry.time(), trial);
  }
}

}  // namespace

uint64_t OwnSteps(const SearchTrial& trial) { return trial.step - std::min(trial.step, trial.parent_step); }

Search::Search(v1::SweepSpec spec) : spec_(std::make_shared<const v1::SweepSpec>(std::move(spec))) {}

bool Search::terminal() const { return IsTerminalState(state_); }

const SearchTrial* Search::Find(uint32_t number) const {
  return number >= 1 && number <= trials_.size() ? &trials_[number - 1] : nullptr;
}

absl::Status Search::Check(const v1::SweepEntry& entry) const {
  if (entry.sequence() != last_sequence_ + 1) return Misplaced(entry, "it is not the next one");
  if (entry.has_turn()) return absl::OkStatus();
  if (entry.has_chosen()) {
    if (entry.trial() != trials_.size() + 1) return Misplaced(entry, "a new trial has the next number");
    if (entry.chosen().assignments_size() != spec_->space_size()) return Misplaced(entry, "parameters are missing");
    return absl::OkStatus();
  }
  const SearchTrial* trial = Find(entry.trial());
  if (trial == nullptr) return Misplaced(entry, "there is no such trial");
  switch (entry.kind_case()) {
    case v1::SweepEntry::kRerun:
      return trial->ended() ? absl::OkStatus() : Misplaced(entry, "the trial has not ended");
    case v1::SweepEntry::kPromoted:
      return trial->state == v1::TRIAL_STATE_HELD ? absl::OkStatus() : Misplaced(entry, "the trial is not held");
    case v1::SweepEntry::kStopped:
    case v1::SweepEntry::kMeasured:
    case v1::SweepEntry::kArrived:
      return trial->ended() ? Misplaced(entry, "the trial has ended") : absl::OkStatus();
    default:
      return Misplaced(entry, "it says nothing that is known");
  }
}

absl::Status Search::Apply(const v1::SweepEntry& entry) {
  if (absl::Status status = Check(entry); !status.ok()) return status;
  last_sequence_ = entry.sequence();
  update_time_ = entry.time();
  if (entry.has_turn()) {
    ApplyTurn(entry.turn());
  } else if (entry.has_chosen()) {
    ApplyChosen(entry);
  } else {
    ApplyToTrial(entry, trials_[entry.trial() - 1]);
  }
  return absl::OkStatus();
}

void Search::ApplyChosen(const v1::SweepEntry& entry) {
  const v1::TrialChosen& chosen = entry.chosen();
  SearchTrial trial;
  trial.number = entry.trial();
  trial.assignments.assign(chosen.assignments().begin(), chosen.assignments().end());
  trial.step = trial.parent_step = chosen.parent_step();
  trial.parent = chosen.parent();
  trial.rung = trial.generation = chosen.generation();
  trial.goal_step = trial.first_goal = chosen.goal_step();
  trial.total_steps = chosen.total_steps();
  trial.client = chosen.client();
  trial.request_id = chosen.request_id();
  trial.create_time = entry.time();
  trials_.push_back(std::move(trial));
}

void Search::ApplyTurn(const v1::SweepTurn& turn) {
  if (IsTerminalState(state_)) was_terminal_ = true;
  state_ = turn.state();
  reason_ = turn.reason();
  if (turn.state() != v1::SWEEP_STATE_STOPPING) return;
  ends_as_ = turn.ends_as();
  end_reason_ = turn.reason();
}

bool Search::Better(double a, double b) const {
  if (std::isnan(a)) return false;
  if (std::isnan(b)) return true;
  return spec_->objective().goal() == v1::Objective::GOAL_MAXIMIZE ? a > b : a < b;
}

uint64_t Search::FullSteps() const {
  uint64_t steps = 0;
  for (const SearchTrial& trial : trials_) steps += trial.total_steps - std::min(trial.total_steps, trial.parent_step);
  return steps;
}

uint64_t Search::PlannedSteps() const {
  if (trials_.empty()) return 0;
  const uint64_t most = spec_->budget().max_steps();
  const uint64_t total = trials_[0].total_steps;
  const uint64_t planned = PlannedTrials();
  uint64_t steps = FullSteps() / trials_.size() * planned;
  if (spec_->has_pbt()) steps = total * spec_->pbt().population();
  if (spec_->has_asha()) {  // As if each rung had all that it can get of the one before.
    steps = 0;
    uint64_t before = 0, rung = trials_[0].first_goal;
    for (uint64_t left = planned; left > 0 && rung > 0 && before < total; left /= spec_->asha().reduction_factor()) {
      steps += left * (std::min(rung, total) - before);
      before = std::min(rung, total);
      rung *= spec_->asha().reduction_factor();
    }
  }
  return most > 0 ? std::min(most, steps) : steps;
}

int Search::Running() const {
  return static_cast<int>(
      std::count_if(trials_.begin(), trials_.end(), [](const SearchTrial& trial) { return trial.under_way(); }));
}

uint64_t Search::Steps() const {
  uint64_t steps = 0;
  for (const SearchTrial& trial : trials_) steps += OwnSteps(trial);
  return steps;
}

uint64_t Search::CommittedSteps() const {
  uint64_t steps = 0;
  for (const SearchTrial& trial : trials_) {
    if (!trial.under_way()) {
      steps += OwnSteps(trial);
      continue;
    }
    const uint64_t goal = trial.goal_step > 0 ? trial.goal_step : trial.total_steps;
    steps += std::max(goal, trial.step) - std::min(std::max(goal, trial.step), trial.parent_step);
  }
  return steps;
}

std::string Search::WhyNoNewTrial() const {
  if (state_ != v1::SWEEP_STATE_RUNNING || was_terminal_) {
    return absl::StrCat("the sweep is ", was_terminal_ ? "over" : core::EnumName(state_));
  }
  if (trials_.size() >= spec_->budget().max_trials()) {
    return absl::StrCat("budget.max_trials, ", spec_->budget().max_trials(), ", is used up");
  }
  const uint64_t most = spec_->budget().max_steps();
  if (most > 0 && CommittedSteps() >= most) return absl::StrCat("budget.max_steps, ", most, ", is used up");
  return "";
}

bool Search::HasFailed() const {
  const size_t most = spec_->max_failures();
  return most > 0 && trials_.size() >= most && !was_terminal_ &&
         std::all_of(trials_.begin(), trials_.begin() + static_cast<std::ptrdiff_t>(most),
                     [](const SearchTrial& trial) { return trial.state == v1::TRIAL_STATE_FAILED; });
}

// STOPPING: all that has not ended is stopped, then the sweep has its end. CANCELLING: when all have ended.
std::optional<v1::SweepEntry> Search::DecideEnding() const {
  for (const SearchTrial& trial : trials_) {
    if (trial.ended()) continue;
    if (spec_->trained_by_clients()) return AbandonedEntry(trial);  // Its client need not come again.
    if (state_ == v1::SWEEP_STATE_CANCELLING) return std::nullopt;
    if (!trial.stopping)
      return StoppedEntry(trial, absl::StrCat("the sweep is over", end_reason_.empty() ? "" : ": ", end_reason_));
  }
  if (Running() > 0) return std::nullopt;
  if (state_ == v1::SWEEP_STATE_CANCELLING) return TurnTo(v1::SWEEP_STATE_CANCELLED, reason_);
  if (ends_as_ == v1::SWEEP_STATE_SUCCEEDED && Best() == nullptr) {
    return TurnTo(v1::SWEEP_STATE_FAILED,
                  absl::StrCat("no trial has a value", end_reason_.empty() ? "" : "; ", end_reason_));
  }
  return TurnTo(ends_as_, end_reason_);
}

std::optional<v1::SweepEntry> Search::DecideMedian() const {
  if (!spec_->has_median_stopping() || spec_->trained_by_clients()) return std::nullopt;
  for (const SearchTrial& trial : trials_) {
    if (!trial.under_way() || trial.stopping) continue;
    if (std::string why = WhyStop(trial.number); !why.empty()) return StoppedEntry(trial, std::move(why));
  }
  return std::nullopt;
}

std::string Search::WhyStop(uint32_t trial) const {
  const SearchTrial* found = Find(trial);
  if (found == nullptr || !found->under_way() || !spec_->has_median_stopping()) return "";
  return WhyMedianStops(*this, *found);
}

std::optional<v1::SweepEntry> Search::Decide() const {
  if (terminal()) return std::nullopt;
  if (state_ == v1::SWEEP_STATE_STOPPING || state_ == v1::SWEEP_STATE_CANCELLING) return DecideEnding();
  if (auto stop = DecideMedian(); stop.has_value()) return stop;
  if (HasFailed()) {
    return TurnTo(
        v1::SWEEP_STATE_STOPPING,
        absl::StrCat("the first ", spec_->max_failures(), " trials have all failed: ", trials_[0].error.message()),
        v1::SWEEP_STATE_FAILED);
  }
  if (state_ == v1::SWEEP_STATE_PAUSED) return std::nullopt;
  Suggestion next = Suggest();
  if (next.entry.has_value() && !(spec_->trained_by_clients() && next.entry->has_chosen())) return next.entry;
  if (!next.done || Running() > 0) return std::nullopt;
  const bool whole = was_terminal_ || (spec_->has_grid() && trials_.size() >= GridSize(*spec_));
  const std::string why = whole ? "" : WhyNoNewTrial();
  return TurnTo(v1::SWEEP_STATE_STOPPING, why, v1::SWEEP_STATE_SUCCEEDED);
}

Search::Suggestion Search::Suggest() const {
  if (was_terminal_) return {.entry = std::nullopt, .done = true};
  if (state_ != v1::SWEEP_STATE_RUNNING) return {.entry = std::nullopt, .done = state_ != v1::SWEEP_STATE_PAUSED};
  const uint64_t most = spec_->budget().max_steps();
  const Leave leave{.may_start = spec_->trained_by_clients() || Running() < static_cast<int>(spec_->parallelism()),
                    .may_choose = trials_.size() < spec_->budget().max_trials(),
                    .may_train = most == 0 || CommittedSteps() < most};
  Wanted wanted = AlgorithmOf(*spec_).next(*this, leave);
  return {.entry = std::move(wanted.entry), .done = wanted.done};
}

std::vector<const SearchTrial*> Search::Ranked() const {
  const bool by_progress = spec_->has_asha() || spec_->has_pbt();
  std::vector<const SearchTrial*> ranked;
  for (const SearchTrial& trial : trials_) ranked.push_back(&trial);
  std::stable_sort(ranked.begin(), ranked.end(), [&](const SearchTrial* a, const SearchTrial* b) {
    if (!a->objective.has_value() || !b->objective.has_value())
      return a->objective.has_value() > b->objective.has_value();
    if (by_progress && Progress(*a) != Progress(*b)) return Progress(*a) > Progress(*b);
    return Better(*a->objective, *b->objective);
  });
  return ranked;
}

const SearchTrial* Search::Best() const {
  const std::vector<const SearchTrial*> ranked = Ranked();
  return ranked.empty() || !ranked[0]->objective.has_value() ? nullptr : ranked[0];
}

uint32_t Search::PlannedTrials() const {
  const auto made = static_cast<uint32_t>(trials_.size());
  if (terminal() || was_terminal_ || state_ == v1::SWEEP_STATE_STOPPING || state_ == v1::SWEEP_STATE_CANCELLING) {
    return made;
  }
  if (spec_->has_pbt()) return std::max(made, spec_->pbt().population());
  return std::max(made, spec_->budget().max_trials());
}

}  // namespace traind::core
