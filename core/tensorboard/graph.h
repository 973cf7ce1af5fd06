// A job's settings and its network in TensorBoard's forms. Pure functions.
#pragma once

#include <google/protobuf/map.h>
#include <google/protobuf/struct.pb.h>

#include <string>

#include "core/tensorboard/wire.h"
#include "traind/v1/job.pb.h"

namespace traind::tensorboard {

// Numbers, switches and names by their paths ("optimizer.learning_rate"), at most 200; what is chosen among kinds as
// "optimizer.kind" = "sgd". Lists, and so the layers, are left out.
void AddSettings(const v1::JobSpec& spec, google::protobuf::Map<std::string, google::protobuf::Value>& settings);

// A node for each layer as the job has it, blocks and presets whole, with numbers and lists of its kind as attributes.
Graph GraphOf(const v1::Network& network);

}  // namespace traind::tensorboard
