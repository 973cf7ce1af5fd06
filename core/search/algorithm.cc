#include "core/search/algorithm.h"

#include <utility>

#include "core/search/space.h"

namespace traind::core {

const SearchAlgorithm& AlgorithmOf(const v1::SweepSpec& spec) {
  for (const SearchAlgorithm* algorithm : {&kGridSearch, &kRandomSearch, &kLatinHypercube, &kAsha, &kPopulationBased}) {
    if (algorithm->kind == spec.algorithm_case()) return *algorithm;
  }
  return kExternalSearch;
}

v1::SweepEntry ChosenEntry(const Search& search, std::vector<v1::Assignment> assignments) {
  v1::SweepEntry entry;
  entry.set_trial(static_cast<uint32_t>(search.trials().size()) + 1);
  for (v1::Assignment& assignment : assignments) *entry.mutable_chosen()->add_assignments() = std::move(assignment);
  entry.mutable_chosen();
  return entry;
}

v1::SweepEntry PromotedEntry(const SearchTrial& trial, uint64_t goal_step, uint32_t rung) {
  v1::SweepEntry entry;
  entry.set_trial(trial.number);
  entry.mutable_promoted()->set_goal_step(goal_step < trial.total_steps ? goal_step : 0);
  entry.mutable_promoted()->set_rung(rung);
  return entry;
}

v1::SweepEntry StoppedEntry(const SearchTrial& trial, std::string reason) {
  v1::SweepEntry entry;
  entry.set_trial(trial.number);
  entry.mutable_stopped()->set_reason(std::move(reason));
  return entry;
}

std::vector<v1::Assignment> RandomAssignments(const v1::SweepSpec& spec, uint32_t number) {
  std::vector<v1::Assignment> assignments;
  for (const v1::Parameter& parameter : spec.space()) {
    assignments.push_back(ValueAt(parameter, Draw(spec.seed(), parameter.name(), number)));
  }
  return assignments;
}

Wanted NextChosen(const Search& search, const Leave& leave,
                  std::vector<v1::Assignment> (*assignments)(const v1::SweepSpec& spec, uint32_t number)) {
  if (!leave.may_choose || !leave.may_train) return {.entry = std::nullopt, .done = true};
  if (!leave.may_start) return {};
  const auto number = static_cast<uint32_t>(search.trials().size()) + 1;
  return {.entry = ChosenEntry(search, assignments(search.spec(), number))};
}

}  // namespace traind::core
