// From an Optimizer message to the objects a training run needs. Pure; thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "core/base/errors.h"
#include "core/kinds/optimizer.h"
#include "core/optimizers/beside.h"
#include "core/optimizers/learning_rate.h"

namespace traind::core {

struct ResolvedOptimizer {
  std::unique_ptr<Optimizer> optimizer;
  std::unique_ptr<LearningRate> learning_rate;
  double weight_decay = 0;  // Decoupled.
  double coupled_weight_decay = 0;
  double clip_norm = 0;   // 0: no clipping.
  double clip_value = 0;  // The same.
  uint32_t accumulate_batches = 1;
  Beside beside;

  // Names of the state tensors that checkpoints keep: the optimizer's, then those beside it.
  std::vector<std::string_view> slots() const;
  // Tensors of the size of the weights that training takes: the slots, then the sum of accumulated gradients.
  int num_tensors() const { return static_cast<int>(slots().size()) + (accumulate_batches > 1 ? 1 : 0); }
};

// Checks the whole message, fills in its defaults, and builds what it says. Violations go to `errors`, the scope of the
// message; the pointers may then be null.
ResolvedOptimizer ResolveOptimizer(v1::Optimizer& config, const FieldErrors& errors);

}  // namespace traind::core
