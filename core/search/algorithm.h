// How trials are chosen: one file for each algorithm, found by the member of SweepSpec.algorithm. Pure, thread-safe.
#pragma once

#include <optional>

#include "core/search/search.h"
#include "traind/v1/sweep.pb.h"

namespace traind::core {

// What an algorithm wants next. Neither entry nor done: it waits for results.
struct Wanted {
  std::optional<v1::SweepEntry> entry;
  bool done = false;  // Nothing more will come of trials that are not under way.
};

// `may_start`: a trial may start or go on, by parallelism; `may_choose`: a new one may be made, by the budget of
// trials; `may_train`: one may start or go on, by the budget of steps.
struct Leave {
  bool may_start = true;
  bool may_choose = true;
  bool may_train = true;
};

struct SearchAlgorithm {
  v1::SweepSpec::AlgorithmCase kind;
  Wanted (*next)(const Search& search, const Leave& leave);
};

const SearchAlgorithm& AlgorithmOf(const v1::SweepSpec& spec);

// Made of `assignments`, for the trial behind the last one.
v1::SweepEntry ChosenEntry(const Search& search, std::vector<v1::Assignment> assignments);
v1::SweepEntry PromotedEntry(const SearchTrial& trial, uint64_t goal_step, uint32_t rung);
v1::SweepEntry StoppedEntry(const SearchTrial& trial, std::string reason);
// Each parameter drawn at random for trial `number`.
std::vector<v1::Assignment> RandomAssignments(const v1::SweepSpec& spec, uint32_t number);
// A new trial, or done, or waiting, for algorithms that only choose: `assignments` makes those of a number.
Wanted NextChosen(const Search& search, const Leave& leave,
                  std::vector<v1::Assignment> (*assignments)(const v1::SweepSpec& spec, uint32_t number));

extern const SearchAlgorithm kGridSearch, kRandomSearch, kLatinHypercube, kAsha, kPopulationBased, kExternalSearch;

}  // namespace traind::core
