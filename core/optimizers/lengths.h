// Lengths that a configuration says in steps or in epochs: fields "<name>_steps" and "<name>_epochs". Pure;
// thread-safe.
#pragma once

#include <cstdint>

#include "core/base/errors.h"
#include "google/protobuf/message.h"

namespace traind::core {

// Checks the lengths of `config`: of two fields at most one is given, and epochs are finite and above 0, otherwise it
// records the violation. With `steps_per_epoch` above 0 what is given in epochs becomes the nearest number of steps, at
// least 1, and the field in epochs is cleared; 0 leaves it, because the length of an epoch is not known. Does not look
// into the messages that `config` holds. A field in steps may be an unsigned integer of 32 or 64 bits; both fields may
// be repeated.
void ResolveLengths(google::protobuf::Message& config, uint64_t steps_per_epoch, const FieldErrors& errors);

}  // namespace traind::core
