// Resource names from what people type. Pure functions.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace traind::client {

// "fashion" and "datasets/fashion" are both "datasets/fashion" for the collection "datasets".
std::string FullName(absl::string_view collection, absl::string_view id_or_name);

// Weights: "cnn" and "jobs/cnn" are the job's newest checkpoint "jobs/cnn/checkpoints/latest", "cnn/400" and "cnn/best"
// one of its checkpoints; full names of checkpoints and models stay as they are.
std::string WeightsName(absl::string_view text);

// The last part of a name: "fashion".
std::string ShortName(absl::string_view name);

}  // namespace traind::client
