// Errors that are the machine's and not the work's: no room on the disk, no more open files or threads. The same work
// may succeed later, or elsewhere. A mark on the status, which stays with it as long as it is handed on as it is.
// Thread-safe.
#pragma once

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/cord.h"

namespace traind::core {

inline constexpr char kOfMachine[] = "traind/of-machine";

inline absl::Status OfMachine(absl::Status status) {
  status.SetPayload(kOfMachine, absl::Cord());
  return status;
}

inline bool IsOfMachine(const absl::Status& status) { return status.GetPayload(kOfMachine).has_value(); }

}  // namespace traind::core
