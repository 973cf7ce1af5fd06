// A network that begins with layers of a trained one, as a request names it: Network.from. Thread-safe; reads files.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/errors.h"
#include "server/store/data_folder.h"
#include "traind/v1/network.pb.h"

namespace traind::server {

struct TakenLayers {
  std::vector<std::string> names;  // They stand before the network's own; empty: it has no `from`.
  std::string model;               // With the number of a checkpoint's step.
};

// Puts plain layers in place of network.from. Violations, also of weights or jobs that are not there, go to `errors`,
// the scope of `network`; other errors, as of a damaged file, are returned.
absl::StatusOr<TakenLayers> TakeNetwork(const DataFolder& folder, v1::Network& network,
                                        const core::FieldErrors& errors);

}  // namespace traind::server
