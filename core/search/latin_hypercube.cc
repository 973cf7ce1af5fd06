// McKay, Beckman and Conover 1979: of n trials one in each n-th of every parameter's distribution.
#include "core/search/algorithm.h"
#include "core/search/space.h"

namespace traind::core {
namespace {

std::vector<v1::Assignment> LatinAssignments(const v1::SweepSpec& spec, uint32_t number) {
  const uint32_t count = spec.budget().max_trials();
  std::vector<v1::Assignment> assignments;
  for (const v1::Parameter& parameter : spec.space()) {
    const uint32_t part = Shuffle(spec.seed(), parameter.name(), count)[number - 1];
    // The middle for a choice, so that no part lies in two of its values by chance.
    const double within = parameter.has_choice() ? 0.5 : Draw(spec.seed(), parameter.name(), number);
    assignments.push_back(ValueAt(parameter, (part + within) / count));
  }
  return assignments;
}

Wanted NextOfLatinHypercube(const Search& search, const Leave& leave) {
  return NextChosen(search, leave, LatinAssignments);
}

}  // namespace

const SearchAlgorithm kLatinHypercube{v1::SweepSpec::kLatinHypercube, NextOfLatinHypercube};

}  // namespace traind::core
