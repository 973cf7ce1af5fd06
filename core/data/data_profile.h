// What a network is trained on, in a few numbers. Pure; thread-safe.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/data/input_pipeline.h"
#include "traind/v1/event.pb.h"

namespace traind::core {

struct ProfiledData {
  v1::DataProfile profile;
  std::vector<std::string> notes;  // What was looked at in part only and the profile cannot say.
};

// Of the training split of a pipeline that is fitted (see v1::DataProfile), and of the split that is evaluated, as far
// as the job reads it; null: there is none of its own. Both of one dataset. `progress` is called now and then. May
// throw std::bad_alloc.
ProfiledData ProfileOf(
    const InputPipeline& input, const Split* evaluation, const std::function<void()>& progress = [] {});

// Bytes that ProfileOf takes at most, beside copies of single examples. `features` of an example as the network sees
// it, `examples` of the larger split, as far as the job reads it; `classes` is 0 with targets.
int64_t ProfileMemory(int64_t features, int64_t examples, int64_t classes);

}  // namespace traind::core
