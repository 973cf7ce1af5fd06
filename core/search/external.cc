// An optimizer outside makes all trials; the sweep ends when its budget is used up or somebody stops it.
#include "core/search/algorithm.h"

namespace traind::core {
namespace {

Wanted NextOfNobody(const Search&, const Leave& leave) {
  return {.entry = std::nullopt, .done = !leave.may_choose || !leave.may_train};
}

}  // namespace

const SearchAlgorithm kExternalSearch{v1::SweepSpec::kExternal, NextOfNobody};

}  // namespace traind::core
