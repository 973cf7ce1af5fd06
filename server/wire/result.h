// A status as the result of a task, and back: how the worker says to the server what went wrong. Pure; thread-safe.
#pragma once

#include "absl/status/status.h"
#include "traind/internal/worker.pb.h"

namespace traind::server {

// A BadRequest that the status carries travels along.
internal::Result Failure(const absl::Status& status);
absl::Status StatusOf(const internal::Result& result);

}  // namespace traind::server
