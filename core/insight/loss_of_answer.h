// What a job's loss says of an answer that knows nothing of the example. By the loss itself, whatever its kind.
#pragma once

#include <cstdint>
#include <optional>

#include "absl/types/span.h"
#include "core/insight/facts.h"
#include "core/kinds/loss.h"

namespace traind::core {

// What the outputs are to the job's loss; nullopt where there is none, as of a network alone.
std::optional<OutputMeaning> MeaningOfOutputs(const Facts& facts);

// The mean loss of class labels when every output is 0, so that all classes are as likely. `counts` are the examples of
// each class; empty: equally many. Nullopt without classes, and for a loss whose outputs are no logits or log odds.
std::optional<double> LossOfNoAnswer(const Facts& facts, absl::Span<const int64_t> counts);

// The same when the outputs say each class's share of `counts`: the least that an answer can have which is the same for
// all examples (of focal, and with class weights, a little above it).
std::optional<double> LossOfShares(const Facts& facts, absl::Span<const int64_t> counts);

}  // namespace traind::core
