// Every combination, the last parameter changing fastest.
#include "core/search/algorithm.h"
#include "core/search/space.h"

namespace traind::core {
namespace {

std::vector<v1::Assignment> GridAssignments(const v1::SweepSpec& spec, uint32_t number) {
  uint64_t place = number - 1;
  if (spec.grid().shuffled()) {
    place = Shuffle(spec.seed(), "#grid", static_cast<uint32_t>(GridSize(spec)))[number - 1];
  }
  std::vector<v1::Assignment> assignments(static_cast<size_t>(spec.space_size()));
  for (int i = spec.space_size() - 1; i >= 0; --i) {
    const std::vector<v1::Assignment> values = GridValues(spec.space(i));
    assignments[static_cast<size_t>(i)] = values[place % values.size()];
    place /= values.size();
  }
  return assignments;
}

Wanted NextOfGrid(const Search& search, const Leave& leave) {
  Leave left = leave;
  if (search.trials().size() >= GridSize(search.spec())) left.may_choose = false;
  return NextChosen(search, left, GridAssignments);
}

}  // namespace

const SearchAlgorithm kGridSearch{v1::SweepSpec::kGrid, NextOfGrid};

}  // namespace traind::core
