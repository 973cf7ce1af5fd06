// Copies the arrays of a dataset from the files of an import to those that are kept, a piece at a time: converts types,
// puts channels first, and refuses numbers that cannot be trained on, with their place. Thread-compatible.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "core/data/array_reader.h"
#include "core/data/checksummed_file.h"
#include "core/tensor/tensor.h"
#include "traind/v1/dataset.pb.h"

namespace traind::core {

// How the examples of a split are stored from what the file has.
struct ExampleLayout {
  int64_t count = 0;
  Shape shape;  // Of one stored example.
  v1::ElementType type = v1::ELEMENT_TYPE_UNSPECIFIED;
  bool channels_last = false;  // In the file.
};

// What float targets look like.
struct TargetLook {
  bool one_hot = true;  // Every row has a single 1, otherwise zeros.
  bool whole = true;    // Every number is a whole one, and none is negative.
};

// Each reads the whole array, checks that its file ends there, and appends the numbers.

// As uint8 (of uint8 and bool) or float32 (of all others), [N, features] or [N, channels, height, width]. Non-finite
// numbers are refused, and integers that float32 does not hold exactly.
absl::Status CopyExamples(ArrayReader& reader, const ExampleLayout& layout, ChecksummedFile& file);
// Integers [N] or [N, 1], or one-hot rows [N, classes], as int32 in [0, kMaxClasses). `largest` becomes the largest
// label if that is larger than it was; of one-hot rows the last class counts, whether it has an example or not.
absl::Status CopyLabels(ArrayReader& reader, ChecksummedFile& file, int64_t* largest);
// Floats as float32. Non-finite numbers are refused.
absl::Status CopyTargets(ArrayReader& reader, ChecksummedFile& file, TargetLook* look);

}  // namespace traind::core
