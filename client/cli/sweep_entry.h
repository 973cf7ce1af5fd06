// The log of a sweep as lines, for pipes. Pure function.
#pragma once

#include <string>

#include "traind/v1/sweep.pb.h"

namespace traind::client {

// One line for an entry of the log, "key=value" throughout, ended by "\n":
//   2026-01-02T03:04:05Z trial=3 chosen learning_rate=0.01 batch_size=64
std::string PlainEntry(const v1::SweepEntry& entry);

}  // namespace traind::client
