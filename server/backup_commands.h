// `traind backup` and `traind restore`. For server/host_commands.cc.
#pragma once

#include <CLI/CLI.hpp>

#include "server/account_commands.h"

namespace traind::server {

void AddBackupCommands(CLI::App& app, HostCommand& command);

}  // namespace traind::server
