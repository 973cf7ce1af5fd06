#include "server/services/network_from.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "core/job/network_from.h"
#include "server/services/weights.h"

namespace traind::server {
namespace {

// Nullopt: what the field names is not there, or is none, which is a violation.
absl::StatusOr<std::optional<Weights>> FindNamed(const DataFolder& folder, const std::string& name,
                                                 const core::FieldErrors& field) {
  auto weights = FindWeights(folder, name, /*allow_job=*/true, field.path());
  if (weights.ok()) return *std::move(weights);
  if (!absl::IsInvalidArgument(weights.status()) && !absl::IsNotFound(weights.status())) return weights.status();
  field.Add(std::string(absl::StripPrefix(weights.status().message(), absl::StrCat(field.path(), ": "))));
  return std::nullopt;
}

}  // namespace

absl::StatusOr<TakenLayers> TakeNetwork(const DataFolder& folder, v1::Network& network,
                                        const core::FieldErrors& errors) {
  TakenLayers taken;
  if (!network.has_from()) return taken;
  const core::FieldErrors from = errors.At("from");
  if (network.has_preset()) from.Add("does not go with preset, which is a whole network; write its layers");
  if (network.from().model().empty()) from.At("model").Add("is required: \"jobs/{id}\", or a checkpoint of one");
  const int before = errors.count();
  if (network.has_preset() || network.from().model().empty()) return taken;
  auto weights = FindNamed(folder, network.from().model(), from.At("model"));
  if (!weights.ok()) return weights.status();
  if (!weights->has_value()) return taken;
  const bool alone = (*weights)->job.empty();
  if (alone && network.from().job().empty()) {
    from.At("job").Add("is required with \"models/{id}\", which has weights alone: whose network they are of");
    return taken;
  }
  v1::Network trained = (*weights)->spec.network();
  if (!network.from().job().empty()) {
    auto whose = FindNamed(folder, network.from().job(), from.At("job"));
    if (!whose.ok()) return whose.status();
    if (!whose->has_value()) return taken;
    trained = (*whose)->spec.network();
  }
  taken.names = core::TakeLayers(trained, network, errors);
  if (errors.count() > before) taken.names.clear();
  taken.model = (*weights)->name;
  return taken;
}

}  // namespace traind::server
