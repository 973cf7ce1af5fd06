// A network that begins with the layers of a trained one: Network.from. Pure; thread-safe.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "core/base/errors.h"
#include "core/checkpoint/safetensors.h"
#include "traind/rpc/error_details.pb.h"
#include "traind/v1/checkpoint.pb.h"
#include "traind/v1/job.pb.h"

namespace traind::core {

// Puts the layers of `trained`, the resolved network of a job, up to network.from.until before those of `network`,
// which is then without `from`, and returns how many they are. Without an input_shape it gets that of `trained`.
// Violations go to `errors`, the scope of `network`, which then has no meaning.
std::vector<std::string> TakeLayers(const v1::Network& trained, v1::Network& network, const FieldErrors& errors);

// Violations of a message whose network, at `network_path`, has `taken` layers in front of its own: with the paths that
// they have in what the user wrote. `errors` is the scope of the message.
void AddAsWritten(const rpc::BadRequest& found, absl::string_view network_path, size_t taken,
                  const FieldErrors& errors);

// Weights that come with the layers `taken` of `network`, as it was accepted: rules for its own layers, so that they
// begin as usual even where the model has tensors of their names. Violations go to `errors`, the scope of the network:
// a taken layer whose tensor the model lacks, or more such layers than there may be rules.
void StartOwnLayers(const v1::NetworkDescription& network, absl::Span<const std::string> taken,
                    const Safetensors& model, v1::InitialWeights& weights, const FieldErrors& errors);

}  // namespace traind::core
