// How far a piece of work is.
#pragma once

#include <cstdint>
#include <functional>

namespace traind::core {

// Called now and then by the thread that works; `total` is 0 while it is not known. The unit is said by whoever calls.
using Progress = std::function<void(int64_t done, int64_t total)>;

}  // namespace traind::core
