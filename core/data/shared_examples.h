// Examples that stand in two splits. Pure; thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "core/data/dataset_dir.h"

namespace traind::core {

struct SharedExamples {
  int64_t shared = 0;  // Of the chosen ones.
  int64_t looked = 0;  // Examples of the training split that they were compared with; all of them, or a sample.
};

// How many of the `chosen` examples of `evaluation` some example of `training` equals, byte by byte as they are stored;
// both of one dataset. Of a training split of more than `most_numbers` numbers a sample is looked at, evenly spread, so
// that `shared` is the least that it can be. `progress` is called now and then. May throw std::bad_alloc.
SharedExamples CountShared(const Split& training, const Split& evaluation, const std::vector<int64_t>& chosen,
                           int64_t most_numbers, const std::function<void()>& progress);

}  // namespace traind::core
