// Each trial drawn by itself: trial n depends on the seed and n alone.
#include "core/search/algorithm.h"

namespace traind::core {
namespace {

Wanted NextAtRandom(const Search& search, const Leave& leave) { return NextChosen(search, leave, RandomAssignments); }

}  // namespace

const SearchAlgorithm kRandomSearch{v1::SweepSpec::kRandom, NextAtRandom};

}  // namespace traind::core
