// Token ids reach the network as the dataset has them. Thread-safe: pure.
#pragma once

#include "absl/strings/str_cat.h"
#include "core/base/errors.h"
#include "core/graph/graph.h"
#include "traind/v1/job.pb.h"

namespace traind::core {

// Violations, in the scope of `data`, where a layer reads the examples themselves (LayerTraits::reads_examples) and
// something changes them before.
inline void CheckTokens(const v1::DataSpec& data, const Graph& graph, const FieldErrors& errors) {
  for (const Node& node : graph.nodes()) {
    if (node.layer == nullptr || !node.layer->traits().reads_examples) continue;
    const auto refuse = [&](const char* field, int size) {
      if (size > 0) {
        errors.At(field).Add(
            absl::StrCat("would change the token ids that layer \"", node.name, "\" looks up; leave it out"));
      }
    };
    refuse("preprocessing", data.preprocessing_size());
    refuse("augmentation", data.augmentation_size());
    return;
  }
}

}  // namespace traind::core
