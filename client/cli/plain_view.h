// Events as plain lines, for pipes and logs. Pure functions.
#pragma once

#include <string>

#include "traind/v1/event.pb.h"

namespace traind::client {

// One line for the event, "key=value" throughout, so that it can be searched and cut; a statistics event has one
// more for each layer when `every_layer`. Each line is ended by "\n".
//   2026-01-02T03:04:05Z step=400 epoch=0.85 train loss=0.4213 accuracy=0.85 learning_rate=0.01 gradient_norm=1.2
std::string PlainLines(const v1::Event& event, bool every_layer);

}  // namespace traind::client
