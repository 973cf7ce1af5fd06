// What every initialization from data is: it changes the weights of a fresh network, layer by layer, by what comes out
// of them. One kind is one .cc file in this folder. Const methods may run in several threads at once, each Run on a
// network of its own; errors of Run are the network's.
#pragma once

#include "absl/status/status.h"
#include "core/base/registry.h"
#include "core/graph/graph.h"
#include "traind/v1/initialization.pb.h"

namespace traind::core {

class NetworkUnderData;

class DataInitializer {
 public:
  virtual ~DataInitializer() = default;

  // What it asks of the network besides its config. Violations go to `errors`, the scope of the kind's config.
  virtual void Check(const Graph& /*graph*/, const FieldErrors& /*errors*/) const {}
  // Whether Run asks for gradients, which only a trainable store has.
  virtual bool needs_gradients() const { return false; }
  virtual absl::Status Run(NetworkUnderData& network) const = 0;
};

}  // namespace traind::core
