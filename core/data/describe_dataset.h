// What there is to know of a stored dataset at a glance, and what a person should be warned of.
#pragma once

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "traind/v1/dataset.pb.h"

namespace traind::core {

// Reads the dataset in `dir` wholly, a few times. Equal examples are found by a hash of their bytes, and the bytes are
// compared. `progress` is called now and then. Errors as LoadDataset and OpenSplit.
absl::StatusOr<v1::DatasetDescription> DescribeDataset(const std::string& dir, const std::function<void()>& progress);

}  // namespace traind::core
