// What the short tasks need of a job that was trained. Not thread-safe; a worker makes one.
#pragma once

#include "absl/status/statusor.h"
#include "core/data/input_pipeline.h"
#include "core/train/model.h"
#include "core/train/train.h"

namespace traind::core {

// The network in test mode, without its weights, which are loaded once the plans are made; and its preprocessing,
// fitted. Movable until something refers to its parts.
struct TrainedModel {
  Model model;
  InputPipeline input;

  // Prepares the engine, too. Errors of PrepareEngine; of reading the preprocessing.
  static absl::StatusOr<TrainedModel> Make(const InferenceRequest& request);
};

// Makes `split`, one of the request's dataset, what the model reads: examples of its shape, labels that are its
// classes. INVALID_ARGUMENT when it cannot; tells request.warn of examples of another scale.
absl::Status MatchWithModel(const InferenceRequest& request, Split& split);

}  // namespace traind::core
