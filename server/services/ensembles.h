// Models that are made of several: models/{id}/ holds, beside what every model has (models.h), ensemble.pb and the
// files that it names. Of an ensemble of outputs these are the members' weights and preprocessing; it has no
// weights.pb. A mean of weights is a model like an uploaded one, with the network and the preprocessing that it belongs
// to. Files are links to the members' where the disk has links: whatever happens to those, these stay. Thread-safe.
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/resources/caller.h"
#include "server/services/backend.h"
#include "server/services/models.h"
#include "traind/internal/ensemble.pb.h"
#include "traind/v1/model_service.pb.h"

namespace traind::server {

inline constexpr int kMaxMembers = 32;

// What was made as "models/{id}"; nullopt: it was uploaded, or is not there. DATA_LOSS.
absl::StatusOr<std::optional<internal::EnsembleRecord>> ReadEnsemble(const DataFolder& folder, absl::string_view id);
// Whether it is an ensemble of outputs, which has no weights of its own.
bool IsOfOutputs(const internal::EnsembleRecord& record);
// INVALID_ARGUMENT for `field`, when weights are wanted of an ensemble of outputs.
absl::Status NoWeights(const std::string& name, absl::string_view field);

// Errors as the RPC; takes as long as reading and writing the members' files.
absl::StatusOr<v1::Model> CreateEnsemble(const v1::CreateEnsembleRequest& request, const Caller& caller,
                                         const Backend& backend, Models& models);

}  // namespace traind::server
