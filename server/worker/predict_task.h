// What a worker does for a PredictSplit. An error is in the result.
#pragma once

#include "core/base/progress.h"
#include "core/train/train.h"
#include "traind/internal/worker.pb.h"

namespace traind::server {

// Writes the predictions to the task's output_path. `progress` is in examples.
internal::Result RunPredictSplit(const core::InferenceRequest& request, const internal::PredictTask& task,
                                 const core::Progress& progress);

}  // namespace traind::server
