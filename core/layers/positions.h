// What class_token and positional_embedding share: vectors that are the same for each example.
#pragma once

#include <cstdint>

#include "core/kinds/planner.h"
#include "traind/v1/initializer.pb.h"

namespace traind::core {

// Normal with std 0.02.
v1::Initializer PositionInitializer();

// The same piece of each example: `stride` values from one to the next.
struct ExamplePieces {
  Value value;
  int64_t stride = 0;
};

// Appends the sum over the examples of the first `n` values of each, in the plan's compute type, into the float32 `to`.
void AddSumOverExamples(Planner& planner, const ExamplePieces& from, int64_t n, Value to);

}  // namespace traind::core
