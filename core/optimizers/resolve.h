// From an Optimizer message to the objects a training run needs. Pure; thread-safe.
#pragma once

#include <memory>

#include "core/base/errors.h"
#include "core/kinds/optimizer.h"
#include "core/optimizers/learning_rate.h"

namespace traind::core {

struct ResolvedOptimizer {
  std::unique_ptr<Optimizer> optimizer;
  std::unique_ptr<LearningRate> learning_rate;
  double weight_decay = 0;  // Decoupled.
  double coupled_weight_decay = 0;
  double clip_norm = 0;  // 0: no clipping.
};

// Checks the whole message, fills in its defaults, and builds what it says. Violations go to `errors`, the scope of the
// message; the pointers may then be null.
ResolvedOptimizer ResolveOptimizer(v1::Optimizer& config, const FieldErrors& errors);

}  // namespace traind::core
