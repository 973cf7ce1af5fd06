// Events as plain lines, for pipes and logs. Pure functions.
#pragma once

#include <string>

#include "absl/time/time.h"
#include "traind/v1/event.pb.h"
#include "traind/v1/job.pb.h"

namespace traind::client {

// One line for the event, "key=value" throughout, so that it can be searched and cut; a statistics event has one
// more for each layer when `every_layer`. Each line is ended by "\n".
//   2026-01-02T03:04:05Z step=400 epoch=0.85 train loss=0.4213 accuracy=0.85 learning_rate=0.01 gradient_norm=1.2
std::string PlainLines(const v1::Event& event, bool every_layer);

// Why a QUEUED job waits: "2026-01-02T03:04:05Z step=400 queue place=2 reason="needs 4 threads, 2 are free"".
std::string PlainQueueLine(const v1::Job& job, absl::Time now);

}  // namespace traind::client
