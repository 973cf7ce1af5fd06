// Class weights that balance the training examples, made from their labels when a job is accepted. Thread-safe.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "traind/v1/dataset.pb.h"
#include "traind/v1/job.pb.h"

namespace traind::core {

// Whether the weights of the classes are still to be counted.
bool IsBalanced(const v1::Loss& loss);

// Where the loss of a resolved spec says `balanced`, puts the numbers in its place: examples / (classes that have any *
// examples of the class), counted over what the job reads of its training split; 1 for a class without examples, which
// `warnings` is told of. `dataset` is that in the folder `dir`. Errors of OpenSplit.
absl::Status BalanceClasses(const std::string& dir, const v1::Dataset& dataset, v1::JobSpec& spec,
                            std::vector<std::string>& warnings);

}  // namespace traind::core
