// Whether targets are such as the loss is made for: shares for a binary cross-entropy, counts for Poisson.
#pragma once

#include <functional>

#include "absl/status/status.h"
#include "core/data/batch_loader.h"
#include "core/data/dataset_dir.h"
#include "core/kinds/loss.h"

namespace traind::core {

// INVALID_ARGUMENT names the first target of the split that is out of range (NaN is). Class labels always suit. One
// pass over the targets, in which `progress` is called now and then, and none with a loss that takes all numbers.
// Thread-safe.
absl::Status CheckTargets(
    const Loss& loss, const Split& split, const std::function<void()>& progress = [] {});

// The same of a minibatch whose examples, of `width` numbers, are their own targets. What augmentation and
// preprocessing round may be out by 1e-5.
absl::Status CheckInputAsTargets(const Loss& loss, const Batch& batch, int64_t width);

}  // namespace traind::core
