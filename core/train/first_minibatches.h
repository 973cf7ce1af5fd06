// Minibatches of training copied out of a loader, for what looks at them more than once. Thread-safe; errors are those
// of BatchLoader::Start.
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "core/data/batch_loader.h"
#include "core/data/input_pipeline.h"

namespace traind::core {

// Those from options.first_step to options.end_step: [batch, ...], row-major, preprocessed. `input` is one with a
// split.
absl::StatusOr<std::vector<std::vector<float>>> FirstMinibatches(const InputPipeline& input,
                                                                 const BatchLoader::Options& options);

}  // namespace traind::core
