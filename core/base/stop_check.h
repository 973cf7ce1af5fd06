// How something that takes long learns that nobody waits for it any more.
#pragma once

#include <functional>

#include "absl/status/status.h"

namespace traind::core {

// OK to go on; otherwise why not, and from then on always the same. Asked often, so it must be cheap; in the thread of
// the one who asks. An empty one never stops anything.
using StopCheck = std::function<absl::Status()>;

inline absl::Status Ask(const StopCheck& stop) { return stop ? stop() : absl::OkStatus(); }

}  // namespace traind::core
