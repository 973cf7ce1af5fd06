#include "client/cli/app.h"

#include <poll.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <exception>

#include "absl/strings/numbers.h"
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
    "Exit codes: 0 done (run, watch, wait: SUCCEEDED), 1 a job file or another file is wrong, the output could not be\n"
    "written, or the server refused or was not reached, 2 wrong command line, 3 the job FAILED, 4 it was CANCELLED,\n"
    "130 Ctrl-C: detached, the work goes on at the server.\n"
    "A server on this machine is reached without the proxy of the environment (http_proxy).";

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

// What is wrong with a --timeout; empty: nothing.
std::string WrongTimeout(const std::string& text) {
  double seconds = 0;
  if (absl::SimpleAtod(text, &seconds) && seconds >= 0.001 && seconds <= 86400) return "";  // NaN is neither.
  return absl::StrCat("wants seconds from 0.001 to 86400, not \"", text, "\"");
}

// Whether the standard output is a pipe that nobody reads any more.
bool IsReaderGone() {
  pollfd output = {.fd = STDOUT_FILENO, .events = POLLOUT, .revents = 0};
  return poll(&output, 1, 0) == 1 && (output.revents & POLLERR) != 0;
}

// `code`, or kFailed when the output did not arrive, as on a full disk. That a reader went away needs no message.
int FlushOutput(const Console& console, int code) {
  errno = 0;
  console.out.flush();
  if (!console.out.fail()) return code;
  const std::string reason = errno == 0 ? "" : absl::StrCat(": ", std::strerror(errno));
  if (!IsReaderGone()) console.err << "error: the output could not be written" << reason << "\n";
  return code == kOk ? static_cast<int>(kFailed) : code;
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
      ->check(CLI::Validator(WrongTimeout, ""))
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
    return FlushOutput(console, kOk);
  } catch (const CLI::ParseError& error) {
    const std::string unknown = UnknownCommand(app);
    console.err << "error: " << (unknown.empty() ? error.what() : unknown) << "\nsee: trainctl" << CommandPath(app)
                << " --help\n";
    return kUsage;
  } catch (const std::exception& error) {
    console.err << "error: " << error.what() << "\n";
    return kUsage;
  }
  int code = kFailed;
  try {
    code = context.action();
  } catch (const std::exception& error) {  // Of a library, or for lack of memory.
    console.err << "error: " << error.what() << "\n";
  }
  if (code == kOk && context.unprinted) code = kFailed;
  return FlushOutput(console, code);
}

}  // namespace traind::client
