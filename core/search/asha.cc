// Asynchronous successive halving: get_job of Algorithm 2 in Li et al. 2018 (arXiv:1810.05934).
#include <algorithm>

#include "core/search/algorithm.h"
#include "core/search/space.h"

namespace traind::core {
namespace {

// Where the trial holds at rung k; 0: that is the last one, its end.
uint64_t StepOfRung(const v1::SweepSpec& spec, const SearchTrial& trial, uint32_t rung) {
  uint64_t step = trial.first_goal;
  for (uint32_t i = 0; i < rung && step < trial.total_steps; ++i) step *= spec.asha().reduction_factor();
  return step < trial.total_steps ? step : 0;
}

// The trials that have come to the rung, best first; those with equal values in the order of their numbers.
std::vector<const SearchTrial*> AtRung(const Search& search, uint32_t rung) {
  std::vector<const SearchTrial*> trials;
  for (const SearchTrial& trial : search.trials()) {
    if (trial.held.size() > rung && trial.held[rung].value.has_value()) trials.push_back(&trial);
  }
  std::stable_sort(trials.begin(), trials.end(), [&](const SearchTrial* a, const SearchTrial* b) {
    return search.Better(*a->held[rung].value, *b->held[rung].value);
  });
  return trials;
}

// The best one of the rung's upper part that has not gone on; null: there is none.
const SearchTrial* Promotable(const Search& search, uint32_t rung) {
  const std::vector<const SearchTrial*> trials = AtRung(search, rung);
  const size_t upper = trials.size() / search.spec().asha().reduction_factor();
  for (size_t i = 0; i < upper; ++i) {
    if (trials[i]->state == v1::TRIAL_STATE_HELD && trials[i]->held.size() == rung + 1) return trials[i];
  }
  return nullptr;
}

Wanted NextOfAsha(const Search& search, const Leave& leave) {
  if (!leave.may_train) return {.entry = std::nullopt, .done = true};
  if (!leave.may_start) return {};
  size_t rungs = 0;
  for (const SearchTrial& trial : search.trials()) rungs = std::max(rungs, trial.held.size());
  for (size_t rung = rungs; rung-- > 0;) {
    const SearchTrial* trial = Promotable(search, static_cast<uint32_t>(rung));
    if (trial == nullptr) continue;
    const auto next = static_cast<uint32_t>(rung) + 1;
    return {.entry = PromotedEntry(*trial, StepOfRung(search.spec(), *trial, next), next)};
  }
  if (!leave.may_choose) return {.entry = std::nullopt, .done = true};
  const auto number = static_cast<uint32_t>(search.trials().size()) + 1;
  v1::SweepEntry entry = ChosenEntry(search, RandomAssignments(search.spec(), number));
  entry.mutable_chosen()->set_goal_step(search.spec().asha().min_steps());
  return {.entry = std::move(entry)};
}

}  // namespace

const SearchAlgorithm kAsha{v1::SweepSpec::kAsha, NextOfAsha};

}  // namespace traind::core
