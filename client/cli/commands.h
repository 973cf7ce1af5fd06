// The subcommands of trainctl. Each Add... declares commands on `app` with their options, help and examples; a chosen
// command puts what it does into context.action. `context` must outlive the app.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "client/cli/context.h"

namespace traind::client {

void AddSubmitCommands(CLI::App& app, Context& context);   // run, submit, fork.
void AddJobCommands(CLI::App& app, Context& context);      // watch, list, get.
void AddLogsCommand(CLI::App& app, Context& context);      // logs.
void AddFindingCommands(CLI::App& app, Context& context);  // findings, explain.
void AddFixCommand(CLI::App& app, Context& context);       // fix.
void AddSuspectsCommand(CLI::App& app, Context& context);  // suspects.
void AddLrFindCommand(CLI::App& app, Context& context);    // lr-find.
void AddSweepCommands(CLI::App& app, Context& context);    // sweep ...
void AddSweepResults(CLI::App& sweep, Context& context);   // sweep best, picture; for AddSweepCommands, as the next.
void AddSweepVerbs(CLI::App& sweep, Context& context);     // sweep pause, resume, stop, cancel, delete, rerun, label.
void AddVerbCommands(CLI::App& app, Context& context);  // pause, resume, stop, extend, cancel, delete, update, label.
void AddWaitCommand(CLI::App& app, Context& context);   // wait.
void AddNetworkCommands(CLI::App& app, Context& context);        // describe, probe, components.
void AddSchemaCommand(CLI::App& app, Context& context);          // schema
void AddDatasetCommands(CLI::App& app, Context& context);        // dataset ...
void AddPreviewCommand(CLI::App& dataset, Context& context);     // dataset preview, for AddDatasetCommands.
void AddUploadCommands(CLI::App& app, Context& context);         // upload ...
void AddModelCommands(CLI::App& app, Context& context);          // model ...
void AddModelExportCommands(CLI::App& model, Context& context);  // model export, card, for AddModelCommands.
void AddPredictCommands(CLI::App& model, Context& context);      // model eval, model predict, for AddModelCommands.
void AddExportCommands(CLI::App& app, Context& context);         // export ...
void AddCheckpointCommands(CLI::App& app, Context& context);     // checkpoint ...
void AddOperationCommands(CLI::App& app, Context& context);      // operations, operation ...
void AddAccountCommands(CLI::App& app, Context& context);        // whoami, share, user ..., token ..., quota
void AddContextCommands(CLI::App& app, Context& context);        // context ...
void AddHealthCommand(CLI::App& app, Context& context);          // health.
void AddServerCommands(CLI::App& app, Context& context);
void AddStorageCommands(CLI::App& app, Context& context);    // server ...
void AddCompletionCommand(CLI::App& app, Context& context);  // completion.

// What two commands do. Each returns the exit code.
int ListCheckpoints(const Context& context, const std::string& job, const ListOptions& options);
int WaitForOperation(const Context& context, const std::string& name);
int CancelOperation(const Context& context, const std::string& name);
int DeleteOperation(const Context& context, const std::string& name);
int ShowVersions(Context& context);  // Of this program and of the server; kOk also where none answers.

}  // namespace traind::client
