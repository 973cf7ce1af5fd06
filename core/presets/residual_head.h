// How residual networks end, whichever their blocks: global average pooling and one dense layer, before that what the
// blocks with pre-activation leave out behind their last sum. Pure.
#pragma once

#include <cstdint>
#include <vector>

#include "traind/v1/network.pb.h"

namespace traind::core {

struct ResidualHead {
  uint32_t classes = 1;
  bool pre_activation = false;
  // Scalar biases in place of batch norm, and a classifier that starts at zero (Zhang et al. 2019).
  bool fixup = false;
  v1::Activation activation;
};
void AddResidualHead(const ResidualHead& head, std::vector<v1::Layer>& layers);

}  // namespace traind::core
