// The part of a configuration that says what to read.
#pragma once

#include <cstdint>

#include "core/base/errors.h"
#include "traind/v1/dataset.pb.h"
#include "traind/v1/job.pb.h"

namespace traind::core {

// Checks `data` and fills in its defaults; `dataset` is null when it does not exist, which the caller has
// reported at `dataset`. Violations go to `errors`, the
// scope of `data`. Returns how many examples there are to train on; 0 when that is not known.
int64_t ResolveData(v1::DataSpec& data, const v1::Dataset* dataset, const FieldErrors& errors);

}  // namespace traind::core
