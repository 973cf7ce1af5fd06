// Watching a sweep: a live view on a terminal, a line for each entry of its log or JSON elsewhere.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "client/cli/context.h"

namespace traind::client {

struct SweepWatchOptions {
  bool plain = false;     // Lines even on a terminal.
  bool snapshot = false;  // One frame of the live view as it is now, then return.
};

// --plain.
void AddSweepWatchFlags(CLI::App& command, SweepWatchOptions& options);

// Shows "sweeps/{id}" until it has ended or Ctrl-C comes; goes on after a broken connection. Returns the exit code.
int WatchSweep(const Context& context, const std::string& name, const SweepWatchOptions& options);

}  // namespace traind::client
