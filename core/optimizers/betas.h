// beta1, beta2 and epsilon of Adam and its kin: defaults and checks.
#pragma once

#include "core/base/require.h"

namespace traind::core {

template <class Config>
void ResolveBetas(double beta1, double beta2, Config& config, const FieldErrors& errors) {
  if (!config.has_beta1()) config.set_beta1(beta1);
  if (!config.has_beta2()) config.set_beta2(beta2);
  Require(config.beta1() >= 0 && config.beta1() < 1, errors, "beta1", "in [0, 1)", config.beta1());
  Require(config.beta2() >= 0 && config.beta2() < 1, errors, "beta2", "in [0, 1)", config.beta2());
}

template <class Config>
void ResolveEpsilon(double epsilon, Config& config, const FieldErrors& errors) {
  if (!config.has_epsilon()) config.set_epsilon(epsilon);
  Require(IsPositiveFloat(config.epsilon()), errors, "epsilon", "finite and above 0 in float32", config.epsilon());
}

}  // namespace traind::core
