// What a network is trained on, in a few numbers. Pure; thread-safe.
#pragma once

#include <functional>

#include "core/data/input_pipeline.h"
#include "traind/v1/event.pb.h"

namespace traind::core {

// Of the training split of a pipeline that is fitted (see v1::DataProfile). `progress` is called now and then. May
// throw std::bad_alloc.
v1::DataProfile ProfileOf(
    const InputPipeline& input, const std::function<void()>& progress = [] {});

}  // namespace traind::core
