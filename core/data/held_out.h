// The part of the training split that data.validation_fraction or data.folds keeps from the training, for evaluation;
// and how many examples a job reads of which split. Pure; thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "traind/v1/dataset.pb.h"
#include "traind/v1/job.pb.h"

namespace traind::core {

// What the part is called where a split is named.
inline constexpr char kHeldOutName[] = "validation";
// What stands for no split.
inline constexpr char kNoSplit[] = "none";

// Whether the job keeps a part of its training split for evaluation.
bool HoldsOut(const v1::DataSpec& data);
// Whether `name` is that part, not a split of the dataset.
bool IsHeldOutPart(const v1::DataSpec& data, absl::string_view name);

// Whether two jobs on one training split hold out the same examples, or none.
bool HoldsOutTheSame(const v1::DataSpec& a, const v1::DataSpec& b);

// Whether a job with the data `before` trained on what one with `now` holds out, where both have one dataset.
bool HasSeenHeldOut(const v1::DataSpec& now, const v1::DataSpec& before);
// What people should know then.
inline constexpr char kSeenHeldOut[] =
    "the weights to begin with were trained on examples that this job holds out: its evaluations say too much good of "
    "them; begin with weights that were trained with the same validation_fraction or folds";

// How many of `examples` are held out: the fraction, rounded; or the size of the part folds.index. `data` is resolved.
int64_t HeldOutCount(const v1::DataSpec& data, int64_t examples);

// Which of `examples` they are, ascending; `labels` has one for each, or is empty. The examples stand in order of their
// classes, within a class shuffled by the seed. A fold takes every folds.count-th of that order, the fraction m of n
// places that are evenly spread: so each class has its share to within one example. May throw std::bad_alloc.
std::vector<uint32_t> HeldOutPlaces(const v1::DataSpec& data, int64_t examples, absl::Span<const int32_t> labels);
// The others, ascending. May throw std::bad_alloc.
std::vector<uint32_t> AllBut(const std::vector<uint32_t>& places, int64_t examples);

// Bytes that finding and keeping them takes, at most; 0 where nothing is held out.
int64_t HeldOutBytes(const v1::DataSpec& data, const v1::Dataset& dataset);

// Examples of the splits as far as the job reads them; 0 of a split that is not there. `data` is resolved.
int64_t NumTrained(const v1::DataSpec& data, const v1::Dataset& dataset);
int64_t NumEvaluated(const v1::DataSpec& data, const v1::Dataset& dataset);
int64_t NumTested(const v1::DataSpec& data, const v1::Dataset& dataset);

}  // namespace traind::core
