// The space of a sweep: what values its parameters can have. Pure functions, thread-safe.
//
// A place is a number in [0, 1): the quantile of a parameter's distribution. What is drawn are places; values follow.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/errors.h"
#include "traind/v1/sweep.pb.h"

namespace traind::core {

inline constexpr int kMostParameters = 32;
inline constexpr int kMostChoices = 1000;
inline constexpr uint32_t kMostTrials = 1000;

// Violations of the space alone: names, ranges, choices, paths that are said twice. `space` is the scope of the field
// `space`'s parent, the spec.
void CheckSpace(const v1::SweepSpec& spec, const FieldErrors& errors);

// Gives each parameter without a name one: the shortest end of its first path that no other has. Indices are left out:
// "dense.units" of "network.layers[1].dense.units".
void NameParameters(v1::SweepSpec& spec);

// The value at a place: a choice has equal parts, in order; ranges by their distribution.
v1::Assignment ValueAt(const v1::Parameter& parameter, double place);

// What a grid looks at, in order. Of a range its `points`; an integer without them has all.
std::vector<v1::Assignment> GridValues(const v1::Parameter& parameter);
// Of all combinations; saturates.
uint64_t GridSize(const v1::SweepSpec& spec);

// Where the distribution of a parameter has its ends: every value of a choice, low and high of a range.
std::vector<v1::Assignment> EndsOf(const v1::Parameter& parameter);

// What is wrong with a value for this parameter; empty: nothing.
std::string WhyNotIn(const v1::Parameter& parameter, const std::string& value);

// The value that population based training tries next: times 1.2 or 0.8 within the range; of a choice the one behind
// or before, as far as there is one. An integer moves by one at least.
v1::Assignment Perturbed(const v1::Parameter& parameter, const v1::Assignment& current, bool up);

// An assignment of this value, with `number` where it is one.
v1::Assignment AssignmentOf(const v1::Parameter& parameter, std::string value);

// A number's shortest text that reads as the same number.
std::string NumberText(double number);

// Uniform in [0, 1) with 53 bits: draw `index` for trial `number` and parameter `name`, a pure function of these and
// the seed (core/base/random.h).
double Draw(uint64_t seed, const std::string& name, uint32_t number, uint32_t index = 0);

// A permutation of 0 .. count - 1, drawn from the seed for this name.
std::vector<uint32_t> Shuffle(uint64_t seed, const std::string& name, uint32_t count);

}  // namespace traind::core
