// Which of many examples stand for all of them. Pure; thread-safe.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace traind::core {

// The indices of `count` of `examples` examples, ascending; of all of them when there are no more. The same numbers
// give the same sample, whoever asks. With `labels`, one for each example, each class has its share of the sample, to
// within one example (the method of largest remainders); within a class every choice is equally likely.
std::vector<uint32_t> SampleOf(int64_t examples, int64_t count, absl::Span<const int32_t> labels = {});

}  // namespace traind::core
