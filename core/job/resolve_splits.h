// Which examples a job trains on, which it chooses by while it trains (the evaluation split, or a part of the training
// split that is held out), and which tell in the end how good the result is (the test split). Pure; thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/errors.h"
#include "traind/v1/dataset.pb.h"
#include "traind/v1/job.pb.h"

namespace traind::core {

// Checks what `data` says of splits and fills in its defaults; `dataset` is null when it does not exist. Violations go
// to `errors`, the scope of `data`. Returns the number of examples to train on, 0 when that is not known.
int64_t ResolveSplits(v1::DataSpec& data, const v1::Dataset* dataset, const FieldErrors& errors);

// The split of a dataset that a trained model is evaluated on where nobody says which: the first of "test", "val",
// "valid", "validation" and "dev" that it has and that is not `train_split`; "none" without one.
std::string SplitToTestOn(const v1::Dataset& dataset, const std::string& train_split);

// Whether there is a split to evaluate, and one to test with in the end. `data` is resolved; before version 0.3 no job
// had a test split.
bool Evaluates(const v1::DataSpec& data);
bool Tests(const v1::DataSpec& data);

// What people should know of the resolved `spec`, of which they said `given`: what nothing is evaluated by, and that
// something is chosen by the test split where they asked for a choice (early_stopping, plateau, best_metric).
void WarnOfSplits(const v1::JobSpec& spec, const v1::JobSpec& given, const v1::Dataset& dataset,
                  std::vector<std::string>& warnings);

}  // namespace traind::core
