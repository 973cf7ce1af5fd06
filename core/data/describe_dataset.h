// What there is to know of a stored dataset at a glance, and what a person should be warned of.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "core/base/progress.h"
#include "traind/v1/dataset.pb.h"

namespace traind::core {

// Reads the dataset in `dir` wholly, a few times. Equal examples are found by a hash of their bytes, and the bytes are
// compared. `progress` is in examples. Errors as LoadDataset and OpenSplit.
absl::StatusOr<v1::DatasetDescription> DescribeDataset(const std::string& dir, const Progress& progress);

}  // namespace traind::core
