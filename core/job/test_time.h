// How often each example is looked at in test mode (slides 88-100): the views of core/data, each run as often as the
// network draws at random, by fractional pooling or Monte-Carlo dropout. Pure; thread-safe.
#pragma once

#include <cstdint>

#include "core/base/errors.h"
#include "core/tensor/tensor.h"
#include "traind/v1/job.pb.h"

namespace traind::core {

// Checks `config` and fills in its defaults, all but the views, which depend on the dataset. `image` is the shape of
// the dataset's examples, `input` of what the network was made for, before the preprocessing. Violations go to
// `errors`. Returns how often each example is looked at.
int64_t ResolveTestTime(v1::TestTime* config, const Shape& image, const Shape& input, const FieldErrors& errors);

// How often each view is run. With both kinds of samples, as often as the larger number says: each run draws both.
int64_t SamplesOf(const v1::TestTime& config);

}  // namespace traind::core
