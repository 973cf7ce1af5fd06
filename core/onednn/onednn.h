// The one door to oneDNN: the engine, and wrappers for what differs between 2.x (Debian 12) and 3.x (Debian 13). No
// other folder mentions a version.
#pragma once

#include "oneapi/dnnl/dnnl.hpp"

namespace traind::core::onednn {}  // namespace traind::core::onednn
