// `traind token` and `traind user`: accounts in a data folder, whether a server runs on it or not. For
// server/host_commands.cc.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <optional>
#include <ostream>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace traind::server {

struct HostCommand {
  std::ostream& out;
  std::ostream& err;
  std::function<absl::Status()> run = nullptr;  // Of the command that was chosen.
};

void AddAccountCommands(CLI::App& app, HostCommand& command);

// "90d", "12h", "never" (InfiniteDuration); nothing: it is none of them, or not between an hour and 100 years.
std::optional<absl::Duration> ParseLifetime(const std::string& text);

}  // namespace traind::server
