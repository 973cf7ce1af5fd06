// What a job's rules over tensors (ParameterRule) say of a layer, in words. Pure.
#pragma once

#include <string>

#include "traind/v1/checkpoint.pb.h"
#include "traind/v1/job.pb.h"

namespace traind::client {

// "frozen until epoch 3; then rate x 0.1", "weight: decay 0.01"; empty: it is trained as usual, or not at all.
std::string TrainedHow(const v1::LayerDescription& layer, const v1::JobSpec& spec);

}  // namespace traind::client
