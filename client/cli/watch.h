// Watching a job: the live view on a terminal, plain lines or JSON elsewhere.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "client/cli/context.h"
#include "traind/v1/event.pb.h"

namespace traind::client {

struct WatchOptions {
  int64_t after_sequence = 0;
  std::vector<v1::EventKind> kinds;  // Empty: all.
  std::vector<std::string> layers;   // Empty: all.
  bool plain = false;                // Lines even on a terminal.
  bool snapshot = false;             // One frame of the live view as it is now, then return.
  bool linear = false;               // Linear heights of the histograms.
  std::string fail_on;               // The severity of an open finding at which the exit code is kFailed; empty: none.
  std::function<bool(const v1::Event&)> until;  // Told of each event; true ends the watch with kOk, without a summary.
};

// Whether the job is drawn, rather than told in lines or JSON.
bool IsLive(const Context& context, const WatchOptions& options);

// --plain, --linear and --fail-on.
void AddWatchFlags(CLI::App& command, WatchOptions& options);

// Shows the job "jobs/{id}" until it ends or Ctrl-C comes. Returns the exit code.
int WatchJob(const Context& context, const std::string& name, const WatchOptions& options);

}  // namespace traind::client
