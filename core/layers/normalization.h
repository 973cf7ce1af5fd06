// What the normalizations check and state in the same way.
#pragma once

#include "core/kinds/checks.h"

namespace traind::core {

// The defaults of `epsilon`, `weight_init` and `bias_init` of a normalization.
template <class Config>
void ResolveNormalization(Config& config, const FieldErrors& errors) {
  if (!config.has_epsilon()) config.set_epsilon(1e-5);  // As in PyTorch.
  // The negated form catches NaN too.
  if (!(config.epsilon() >= 1e-30 && config.epsilon() <= 1e30)) {
    errors.At("epsilon").Add("must be above 0, at least 1e-30 and at most 1e30");
  }
  ResolveInitializer(config.mutable_weight_init(), ConstantInitializer(1), errors.At("weight_init"));
  ResolveInitializer(config.mutable_bias_init(), ZerosInitializer(), errors.At("bias_init"));
}

// Adds the trained weight and bias, each of shape `each`.
template <class Config>
void AddScaleAndShift(const Config& config, const Shape& each, LayerShape& shape) {
  shape.parameters.push_back({.name = "weight", .shape = each, .initializer = config.weight_init()});
  shape.parameters.push_back({.name = "bias", .shape = each, .initializer = config.bias_init()});
}

}  // namespace traind::core
