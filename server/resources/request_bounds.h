// How many items a request may repeat, whatever it is: work and memory stay in proportion to what a person means, not
// to what fits into 8 MiB.
#pragma once

#include "core/base/errors.h"
#include "google/protobuf/message.h"

namespace traind::server {

// Of a repeated field that has no bound of its own.
inline constexpr int kMostItems = 1000;

// Reports every field, also in messages within, that has more items than it may.
void CheckRepeatedFields(const google::protobuf::Message& message, const core::FieldErrors& errors);

}  // namespace traind::server
