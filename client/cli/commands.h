// The subcommands of trainctl. Each Add... declares commands on `app` with their options, help and examples; a chosen
// command puts what it does into context.action. `context` must outlive the app.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "client/cli/context.h"

namespace traind::client {

void AddJobCommands(CLI::App& app, Context& context);         // run, submit, watch, list, get, cancel, delete.
void AddNetworkCommands(CLI::App& app, Context& context);     // describe, probe, components.
void AddDatasetCommands(CLI::App& app, Context& context);     // dataset ...
void AddPreviewCommand(CLI::App& dataset, Context& context);  // dataset preview, for AddDatasetCommands.
void AddModelCommands(CLI::App& app, Context& context);       // model ...
void AddCompletionCommand(CLI::App& app, Context& context);   // completion.

// --set of a command that reads a job file.
void AddSet(CLI::App& command, std::vector<std::string>& assignments);

}  // namespace traind::client
