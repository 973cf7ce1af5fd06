// Lengths that a configuration says in steps or in epochs: fields "<name>_steps" and "<name>_epochs". Pure;
// thread-safe.
#pragma once

#include <cstdint>

#include "core/base/errors.h"
#include "google/protobuf/message.h"

namespace traind::core {

// Of two fields at most one is given, and epochs are finite and above 0. Does not look into the messages that `config`
// holds.
void CheckLengths(const google::protobuf::Message& config, const FieldErrors& errors);

// What is given in epochs becomes the nearest number of steps, at least 1, and the field in epochs is cleared. Leaves
// what CheckLengths finds at fault; records where a number of steps does not fit its field, an unsigned integer of 32
// or 64 bits. Both fields may be repeated. `steps_per_epoch` is above 0.
void ConvertLengths(google::protobuf::Message& config, uint64_t steps_per_epoch, const FieldErrors& errors);

}  // namespace traind::core
