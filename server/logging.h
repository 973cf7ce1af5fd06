// The server's structured log on stderr. Call once, before other threads start.
#pragma once

#include <string>

namespace traind::server {

// `level`: debug, info, warning or error. `format`: "text", or "json" for one object in each line with time, level,
// thread and message.
void SetUpLogging(const std::string& level, const std::string& format);

}  // namespace traind::server
