// The part of a configuration that says what to read.
#pragma once

#include <cstdint>
#include <string>

#include "core/base/errors.h"
#include "core/job/resolve_splits.h"
#include "core/tensor/tensor.h"
#include "traind/v1/dataset.pb.h"
#include "traind/v1/job.pb.h"

namespace traind::core {

struct ResolvedData {
  int64_t examples = 0;             // To train on; 0 when that is not known.
  Shape stored;                     // Of the dataset's examples; this and the next two are empty when it is not known.
  Shape augmented;                  // Of an example after the augmentation.
  Shape input_shape;                // Of an example after the preprocessing, too.
  bool blends = false;              // The augmentation makes soft labels.
  int64_t preprocessing_bytes = 0;  // What fitting takes, at most.
};

// Checks `data` and fills in its defaults; `dataset` is null when it does not exist, which the caller has reported at
// `dataset`. Violations go to `errors`, the scope of `data`.
ResolvedData ResolveData(v1::DataSpec& data, const v1::Dataset* dataset, const FieldErrors& errors);

// The shape of the examples that the job was made for, a resolved one. Jobs of versions that did not write it down had
// nothing that changes it: it is the network's.
Shape StoredShape(const v1::JobSpec& spec);

// Threads that make the job's minibatches; one for a job that was accepted before the field existed.
int64_t PrefetchThreads(const v1::DataSpec& data);

}  // namespace traind::core
