// The server's structured log on stderr.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace traind::server {

// `level`: debug, info, warning or error. `format`: "text", or "json" for one object in each line with time, level,
// thread and message, and with resource, user and trace_id where the line is about one (log_scope.h). Call once, before
// other threads start.
void SetUpLogging(const std::string& level, const std::string& format);

// The level as it is now, by its name. Thread-safe.
std::string LogLevelName();
// Takes another level, one of the four, and logs that it did, with `who` asked for it. Thread-safe.
void ChangeLogLevel(const std::string& level, const std::string& who);

}  // namespace traind::server
