#include "client/cli/app.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <exception>

#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/suggest.h"
#include "traind/version.h"

namespace traind::client {
namespace {

constexpr char kFooter[] =
    "Start here:\n"
    "  trainctl run job.textproto               submit a job and watch it train\n"
    "  trainctl describe job.textproto          its layers, shapes, parameters and memory\n"
    "  trainctl components                      what a job file can be made of\n"
    "  trainctl COMMAND --help                  each command, with examples\n"
    "\n"
    "Exit codes: 0 done (run, watch, wait: SUCCEEDED), 1 the server refused or was not reached, 2 wrong command line\n"
    "or job file, 3 the job FAILED, 4 it was CANCELLED, 130 Ctrl-C: detached, the work goes on at the server.";

// " dataset import" where that was chosen: an error points at the --help of that command.
std::string CommandPath(const CLI::App& app) {
  for (const CLI::App* chosen : app.get_subcommands()) return " " + chosen->get_name() + CommandPath(*chosen);
  return "";
}

// A word that names no command: CLI11 says only that a command is missing.
std::string UnknownCommand(const CLI::App& app) {
  const CLI::App* last = &app;
  while (!last->get_subcommands().empty()) last = last->get_subcommands().front();
  std::vector<std::string> known;
  for (const CLI::App* command : last->get_subcommands(nullptr)) {
    if (!command->get_name().empty()) known.push_back(command->get_name());  // A group of options has none.
  }
  for (const std::string& word : app.remaining(true)) {
    if (known.empty() || word.empty() || word[0] == '-') continue;
    return absl::StrCat("no command \"", word, "\"; ", Known("commands", word, known));
  }
  return "";
}

}  // namespace

int RunTrainctl(const std::vector<std::string>& arguments, const Console& console) {
  Context context(console);
  CLI::App app(
      "trainctl talks to a traind server: it submits training jobs, watches them learn, and brings data in and\n"
      "models out.",
      "trainctl");
  app.footer(kFooter);
  app.require_subcommand(1);
  app.fallthrough();
  app.set_version_flag("--version", absl::StrCat("trainctl ", kVersion));
  app.add_option("--server", context.server, "Address of the server")
      ->envname("TRAIND_SERVER")
      ->capture_default_str()
      ->type_name("HOST:PORT");
  app.add_option("--timeout", context.timeout_seconds, "Longest wait for one answer; default 30, for long calls 900")
      ->check(CLI::Range(0.001, 86400.0))
      ->type_name("SECONDS");
  app.add_flag("--json", context.json, "Print JSON, one object per line, with the field names of the API");
  app.add_flag("--no-color", context.no_color, "No colours; the environment variable NO_COLOR does the same");
  app.add_flag("-q,--quiet", context.quiet, "Print names only, no hints and no progress");
  AddSubmitCommands(app, context);
  AddJobCommands(app, context);
  AddVerbCommands(app, context);
  AddWaitCommand(app, context);
  AddNetworkCommands(app, context);
  AddDatasetCommands(app, context);
  AddUploadCommands(app, context);
  AddModelCommands(app, context);
  AddCheckpointCommands(app, context);
  AddOperationCommands(app, context);
  AddCompletionCommand(app, context);

  // CLI11 reports through exceptions; they end here.
  try {
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
    app.parse(std::move(reversed));
  } catch (const CLI::Success& success) {  // --help, --version.
    app.exit(success, console.out, console.err);
    return kOk;
  } catch (const CLI::ParseError& error) {
    const std::string unknown = UnknownCommand(app);
    console.err << "error: " << (unknown.empty() ? error.what() : unknown) << "\nsee: trainctl" << CommandPath(app)
                << " --help\n";
    return kUsage;
  } catch (const std::exception& error) {
    console.err << "error: " << error.what() << "\n";
    return kUsage;
  }
  const int code = context.action();
  return code == kOk && context.unprinted ? kFailed : code;
}

}  // namespace traind::client
