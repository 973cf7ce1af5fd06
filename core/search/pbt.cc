// Population based training (Jaderberg et al. 2017, arXiv:1711.09846), in step: members wait for each other at each
// exchange, so that nothing depends on which one was faster. Exploit is truncation selection, explore perturbs by 1.2
// or 0.8 or draws anew, as in the paper's section 4.1.1.
#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "core/search/algorithm.h"
#include "core/search/space.h"

namespace traind::core {
namespace {

uint64_t StepOfExchange(const v1::SweepSpec& spec, uint32_t exchange) {
  return spec.pbt().interval_steps() * (uint64_t{exchange} + 1);
}

// How many members were to exchange `exchange` and have come to it, best first.
std::vector<const SearchTrial*> Members(const Search& search, uint32_t exchange) {
  const uint64_t step = StepOfExchange(search.spec(), exchange);
  std::vector<const SearchTrial*> members;
  for (const SearchTrial& trial : search.trials()) {
    const bool held =
        std::any_of(trial.held.begin(), trial.held.end(), [&](const SearchTrial::Held& at) { return at.step == step; });
    if (held) members.push_back(&trial);
  }
  const auto value = [&](const SearchTrial* trial) {
    const auto at = std::find_if(trial->held.begin(), trial->held.end(),
                                 [&](const SearchTrial::Held& held) { return held.step == step; });
    return at->value.value_or(std::nan(""));
  };
  std::stable_sort(members.begin(), members.end(),
                   [&](const SearchTrial* a, const SearchTrial* b) { return search.Better(value(a), value(b)); });
  return members;
}

v1::SweepEntry ChosenMember(const Search& search) {
  const auto number = static_cast<uint32_t>(search.trials().size()) + 1;
  v1::SweepEntry entry = ChosenEntry(search, RandomAssignments(search.spec(), number));
  entry.mutable_chosen()->set_goal_step(StepOfExchange(search.spec(), 0));
  return entry;
}

// A trial from the checkpoint of one of the `best` members, with changed parameters.
v1::SweepEntry Replacement(const Search& search, const std::vector<const SearchTrial*>& best, uint32_t exchange) {
  const v1::SweepSpec& spec = search.spec();
  const auto number = static_cast<uint32_t>(search.trials().size()) + 1;
  const SearchTrial& parent = *best[static_cast<size_t>(Draw(spec.seed(), "#parent", number) * best.size())];
  std::vector<v1::Assignment> assignments;
  for (int i = 0; i < spec.space_size(); ++i) {
    const v1::Parameter& parameter = spec.space(i);
    const bool anew = Draw(spec.seed(), parameter.name(), number, 2) < spec.pbt().resample();
    const bool up = Draw(spec.seed(), parameter.name(), number, 3) < 0.5;
    assignments.push_back(anew ? ValueAt(parameter, Draw(spec.seed(), parameter.name(), number))
                               : Perturbed(parameter, parent.assignments[static_cast<size_t>(i)], up));
  }
  v1::SweepEntry entry = ChosenEntry(search, std::move(assignments));
  const uint64_t next = StepOfExchange(spec, exchange + 1);
  entry.mutable_chosen()->set_goal_step(next < parent.total_steps ? next : 0);
  entry.mutable_chosen()->set_parent(parent.number);
  entry.mutable_chosen()->set_parent_step(StepOfExchange(spec, exchange));
  entry.mutable_chosen()->set_generation(exchange + 1);
  return entry;
}

// One entry of the exchange that is under way: first new members, then the ends of those they replace, then the others
// go on. `members` does not change meanwhile, so that each call finds what is left to do.
v1::SweepEntry Exchange(const Search& search, const std::vector<const SearchTrial*>& members, uint32_t exchange,
                        bool may_choose) {
  const auto share = static_cast<size_t>(search.spec().pbt().quantile() * static_cast<double>(members.size()));
  const size_t replaced = members.size() < 2 ? 0 : std::max<size_t>(share, 1);
  const std::vector<const SearchTrial*> best(members.begin(), members.begin() + static_cast<std::ptrdiff_t>(replaced));
  const auto made =
      static_cast<size_t>(std::count_if(search.trials().begin(), search.trials().end(), [&](const SearchTrial& trial) {
        return trial.parent != 0 && trial.generation == exchange + 1;
      }));
  if (made < replaced && may_choose) return Replacement(search, best, exchange);
  for (size_t i = members.size() - std::min(made, replaced); i < members.size(); ++i) {
    if (members[i]->state != v1::TRIAL_STATE_HELD) continue;
    return StoppedEntry(*members[i], absl::StrCat("its place went to a member that goes on from a better one, at step ",
                                                  StepOfExchange(search.spec(), exchange)));
  }
  for (const SearchTrial* member : members) {
    if (member->state != v1::TRIAL_STATE_HELD || member->step != StepOfExchange(search.spec(), exchange)) continue;
    return PromotedEntry(*member, StepOfExchange(search.spec(), exchange + 1), exchange + 1);
  }
  return {};  // Not reached: somebody is held at this exchange.
}

Wanted NextOfPopulation(const Search& search, const Leave& leave) {
  if (!leave.may_train) return {.entry = std::nullopt, .done = true};
  if (!leave.may_start) return {};
  if (search.trials().size() < search.spec().pbt().population()) return {.entry = ChosenMember(search)};
  // The exchange at which somebody waits.
  uint64_t step = 0;
  for (const SearchTrial& trial : search.trials()) {
    if (trial.state == v1::TRIAL_STATE_HELD) step = step == 0 ? trial.step : std::min(step, trial.step);
  }
  if (step == 0) return {.entry = std::nullopt, .done = true};
  // Somebody else has paused a job behind its exchange: its trial goes on to the next one.
  const uint64_t interval = search.spec().pbt().interval_steps();
  for (const SearchTrial& trial : search.trials()) {
    if (trial.state != v1::TRIAL_STATE_HELD || trial.step % interval == 0) continue;
    const auto next = static_cast<uint32_t>(trial.step / interval);
    return {.entry = PromotedEntry(trial, StepOfExchange(search.spec(), next), next)};
  }
  for (const SearchTrial& trial : search.trials()) {
    if (trial.under_way() && trial.goal_step == step) return {};
  }
  const auto exchange = static_cast<uint32_t>(step / interval) - 1;
  return {.entry = Exchange(search, Members(search, exchange), exchange, leave.may_choose)};
}

}  // namespace

const SearchAlgorithm kPopulationBased{v1::SweepSpec::kPbt, NextOfPopulation};

}  // namespace traind::core
