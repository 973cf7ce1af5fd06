// The program behind main: parses the command line and runs the command.
#pragma once

#include <string>
#include <vector>

#include "client/cli/context.h"

namespace traind::client {

// `arguments` without the program's name. Returns the exit code; throws nothing.
int RunTrainctl(const std::vector<std::string>& arguments, const Console& console);

}  // namespace traind::client
