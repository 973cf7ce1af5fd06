// The log of a job as text. Pure.
#pragma once

#include <string>

#include "traind/v1/event.pb.h"

namespace traind::client {

// A line of a LOG event, and those of a change of state: with a failure, what the worker printed last. Each is ended by
// "\n". Empty: an event of another kind.
std::string LogLines(const v1::Event& event);

}  // namespace traind::client
