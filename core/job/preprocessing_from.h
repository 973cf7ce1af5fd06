// InitialWeights.preprocessing_from: of which data the fitted preprocessing of a job is that begins with weights of
// another one. Pure; thread-safe.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/base/errors.h"
#include "traind/v1/job.pb.h"

namespace traind::core {

// What is known of the model whose weights a job begins with.
struct ModelOrigin {
  const v1::JobSpec* spec = nullptr;  // Resolved; null: of an uploaded model, whose preprocessing nobody knows.
  bool learned = false;               // Its preprocessing has numbers that were fitted.
  std::optional<v1::DataIdentity> trained_on = std::nullopt;
};

// Fills in spec.initial_weights.preprocessing_from of a resolved `spec` that has initial_weights, for a job on `data`;
// returns what a person should know. Violations go to `errors`, the scope of initial_weights.
std::vector<std::string> ResolvePreprocessingFrom(v1::JobSpec& spec, const v1::DataIdentity& data,
                                                  const ModelOrigin& model, const FieldErrors& errors);

}  // namespace traind::core
