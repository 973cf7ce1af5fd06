// What a person wants to see of a data set before and after its preprocessing: means, variances, correlation.
#pragma once

#include <cstdint>
#include <functional>

#include "traind/v1/event.pb.h"

namespace traind::core {

// Over a sample of `count` examples (see v1::DataMoments). `example` gives the features of one, valid until its next
// call.
v1::DataMoments ComputeDataMoments(int64_t count, int64_t features,
                                   const std::function<const float*(int64_t)>& example);

}  // namespace traind::core
