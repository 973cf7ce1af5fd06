// Whether the targets of examples have to do with them: an example and its nearest neighbour mostly have the same
// class. Pure; thread-safe.
#pragma once

#include <cstdint>
#include <functional>

#include "core/data/input_pipeline.h"

namespace traind::core {

// See v1::DataProfile for both numbers.
struct NeighbourAgreement {
  double agreement = 0;
  double chance = 0;     // 1: all targets are equal.
  int64_t compared = 0;  // 0: not measured, because less than two examples are finite.
};

inline constexpr int64_t kMostNeighbours = 512;

// Of at most `most` examples, 512 at most, of a split of the dataset that a fitted pipeline is of, as the network sees
// them; with labels each class has its share of them, and of many classes 32 are taken. Distances are Euclidean, of
// examples with more than 4096 numbers over 4096 of them, evenly spread. `progress` is called now and then. May throw
// std::bad_alloc.
NeighbourAgreement AgreementOfNeighbours(const InputPipeline& input, const Split& split, int64_t most,
                                         const std::function<void()>& progress);

// Bytes that it takes at most, beside copies of single examples: of a split of so many `examples`, of so many
// `features` as the network sees them. `classes` is 0 with targets.
int64_t NeighbourMemory(int64_t features, int64_t examples, int64_t classes);

}  // namespace traind::core
