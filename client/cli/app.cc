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

namespace traind::client {
namespace {

constexpr char kFooter[] =
    "Start here:\n"
    "  trainctl run job.textproto               submit a job and watch it train\n"
    "  trainctl describe job.textproto          its layers, shapes, parameters and memory\n"
    "  trainctl components                      what a job file can be made of\n"
    "  trainctl COMMAND --help                  each command, with examples\n"
    "\n"
    "Exit codes: 0 done (run, watch, wait: SUCCEEDED), 1 a file is wrong, the output could not be written, or the "
    "server\n"
    "has a fault, 2 wrong command line, 3 there is nothing of this name, 4 the server refused, 5 no server answers,\n"
    "6 the job or operation FAILED, 7 it was CANCELLED, 130 Ctrl-C: detached, the work goes on at the server.\n"
    "A server on this machine is reached without the proxy of the environment (http_proxy).\n"
    "Secrets are given in files, never in the command line, where other users of the machine could read them.";

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

// The variables are read by ChooseServer: they count only where no flag names another server.
void AddServerOptions(CLI::App& app, ServerFlags& flags) {
  app.add_option("--server", flags.server, "Address of the server (TRAIND_SERVER); default 127.0.0.1:50051")
      ->type_name("HOST:PORT");
  app.add_option("--context", flags.context,
                 "A server by the name that `trainctl context add` gave it (TRAIND_CONTEXT)")
      ->type_name("NAME");
  app.add_flag("--tls", flags.files.tls, "Speak TLS, and trust the system's authorities (TRAIND_TLS)");
  const auto add = [&](const char* name, std::string& path, const char* help) {
    app.add_option(name, path, help)->type_name("FILE");
  };
  add("--tls-ca", flags.files.tls_ca, "Speak TLS, and trust these authorities only (TRAIND_TLS_CA)");
  add("--tls-cert", flags.files.tls_cert, "Your certificate, for a server that wants one (TRAIND_TLS_CLIENT_CERT)");
  add("--tls-key", flags.files.tls_key, "Its private key (TRAIND_TLS_CLIENT_KEY)");
  add("--token-file", flags.files.token_file, "Your token; - is the standard input (TRAIND_TOKEN_FILE)");
}

}  // namespace

int RunTrainctl(const std::vector<std::string>& arguments, const Console& console) {
  Context context(console);
  CLI::App app(
      "trainctl talks to a traind server: it submits training jobs, watches them learn, and brings data in and\n"
      "models out.",
      "trainctl");
  app.footer(kFooter);
  app.require_subcommand(0, 1);
  app.fallthrough();
  bool version = false;
  app.add_flag("--version", version, "The version of trainctl, and that of the server");
  AddServerOptions(app, context.flags);
  app.add_option("--timeout", context.timeout_seconds, "Longest wait for one answer; default 30, for long calls 900")
      ->check(CLI::Validator(WrongTimeout, ""))
      ->type_name("SECONDS");
  app.add_flag("--json", context.json, "Print JSON, one object per line, with the field names of the API");
  app.add_flag("--no-color", context.no_color, "No colours; the environment variable NO_COLOR does the same");
  app.add_flag("-q,--quiet", context.quiet, "Print names only, no hints and no progress");
  AddSubmitCommands(app, context);
  AddJobCommands(app, context);
  AddVerbCommands(app, context);
  AddLogsCommand(app, context);
  AddFindingCommands(app, context);
  AddFixCommand(app, context);
  AddSuspectsCommand(app, context);
  AddLrFindCommand(app, context);
  AddSweepCommands(app, context);
  AddWaitCommand(app, context);
  AddNetworkCommands(app, context);
  AddSchemaCommand(app, context);
  AddDatasetCommands(app, context);
  AddUploadCommands(app, context);
  AddModelCommands(app, context);
  AddExportCommands(app, context);
  AddCheckpointCommands(app, context);
  AddOperationCommands(app, context);
  AddAccountCommands(app, context);
  AddContextCommands(app, context);
  AddHealthCommand(app, context);
  AddServerCommands(app, context);
  AddStorageCommands(app, context);
  AddCompletionCommand(app, context);

  // CLI11 reports through exceptions; they end here.
  try {
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
    app.parse(std::move(reversed));
  } catch (const CLI::Success& success) {  // --help.
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
  if (version) {
    context.needs_server = false;  // The version of this program is told without one.
    context.action = [&context] { return ShowVersions(context); };
  }
  if (context.action == nullptr) {
    console.out << app.help();
    return FlushOutput(console, kOk);
  }
  int code = kFailed;
  try {
    const absl::Status status = context.needs_server ? context.Connect() : absl::OkStatus();
    code = status.ok() ? context.action() : context.Fail(status);
  } catch (const std::exception& error) {  // Of a library, or for lack of memory.
    console.err << "error: " << error.what() << "\n";
  }
  if (code == kOk && context.unprinted) code = kFailed;
  return FlushOutput(console, code);
}

}  // namespace traind::client
