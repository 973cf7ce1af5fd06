// `trainctl server ...` and `trainctl --version`: the server itself.
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/commands.h"
#include "client/cli/job_view.h"
#include "client/cli/text.h"
#include "client/enum_names.h"
#include "client/errors.h"
#include "traind/version.h"

namespace traind::client {
namespace {

// "2 queued, 1 running".
std::string DescribeJobs(const v1::ServerQueue& queue) {
  std::vector<std::string> parts;
  for (const auto& count : queue.job_counts()) {
    parts.push_back(absl::StrCat(count.jobs(), " ", absl::AsciiStrToLower(EnumName(count.state()))));
  }
  return parts.empty() ? "none" : absl::StrJoin(parts, ", ");
}

std::string DescribeDisk(const v1::ServerDisk& disk) {
  std::string text = absl::StrCat(FormatBytes(disk.free_bytes()), " of ", FormatBytes(disk.total_bytes()), " free");
  if (disk.reserve_held_bytes() < disk.reserve_bytes()) {
    absl::StrAppend(&text, "; of the reserve of ", FormatBytes(disk.reserve_bytes()), " there are ",
                    FormatBytes(disk.reserve_held_bytes()));
  }
  return text;
}

std::string DescribeSandbox(const v1::WorkerSandbox& sandbox) {
  if (sandbox.active().empty() && sandbox.missing().empty()) return "none";
  std::string text = sandbox.active().empty() ? "nothing" : absl::StrJoin(sandbox.active(), ", ");
  if (!sandbox.missing().empty()) absl::StrAppend(&text, "; missing: ", absl::StrJoin(sandbox.missing(), ", "));
  return text;
}

void PrintServer(const Context& context, const v1::ServerInfo& info) {
  const v1::ServerCapacity& capacity = info.capacity();
  const v1::ServerQueue& queue = info.queue();
  context.Say("server", context.server);
  context.Say("version", absl::StrCat("traind ", info.version(),
                                      info.version() == kVersion ? "" : absl::StrCat(" (trainctl ", kVersion, ")")));
  context.Say("ready", info.ready() ? "yes" : absl::StrCat("no: ", info.not_ready_reason()));
  context.Say("up for", FormatElapsed(ToDuration(info.uptime())));
  context.Say("threads", absl::StrCat(capacity.threads_in_use(), " of ", capacity.threads(),
                                      " in use; a job that names none gets ", capacity.default_threads()));
  context.Say("memory", absl::StrCat(FormatBytes(capacity.memory_in_use_bytes()), " of ",
                                     FormatBytes(capacity.memory_bytes()), " in use"));
  context.Say("jobs", DescribeJobs(queue));
  context.Say("operations",
              absl::StrCat(queue.operations_queued(), " queued, ", queue.operations_running(), " running"));
  context.Say("watchers", absl::StrCat(queue.watchers()));
  context.Say("disk", DescribeDisk(info.disk()));
  context.Say("store", FormatBytes(info.disk().store_bytes()));
  context.Say("log level", absl::AsciiStrToLower(EnumName(info.log_level())));
  context.Say("sandbox", DescribeSandbox(info.sandbox()));
  if (info.has_certificate_expire_time()) {
    context.Say("certificate", absl::StrCat("until ", FormatMinute(info.certificate_expire_time())));
  }
}

int ShowInfo(const Context& context, const absl::StatusOr<v1::ServerInfo>& info) {
  if (!info.ok()) return context.Fail(info.status());
  if (context.json) {
    context.PrintJson(*info);
  } else if (context.quiet) {
    context.out() << info->version() << "\n";
  } else {
    PrintServer(context, *info);
  }
  return kOk;
}

void AddLogLevel(CLI::App& server, Context& context) {
  CLI::App& command = *server.add_subcommand("log-level", "How much the server logs from now on, until it ends");
  command.footer(
      "Examples:\n"
      "  trainctl server log-level debug     each call, and each line that a worker prints\n"
      "  trainctl server log-level info\n"
      "On the server's machine the signal SIGUSR1 switches to debug and back.");
  auto level = std::make_shared<std::string>();
  command.add_option("LEVEL", *level, "debug, info, warning or error")
      ->required()
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}));
  command.callback([&context, level] {
    context.action = [&context, level] {
      const auto* value = FindEnumValue(*v1::LogLevel_descriptor(), absl::AsciiStrToUpper(*level));
      const auto info = context.MakeClient().SetLogLevel(static_cast<v1::LogLevel>(value->number()));
      if (!info.ok()) return context.Fail(info.status());
      context.Note(absl::StrCat("the log level of ", context.server, " is ", *level, " now"));
      if (context.json) context.PrintJson(*info);
      return static_cast<int>(kOk);
    };
  });
}

}  // namespace

int ShowVersions(Context& context) {
  context.out() << "trainctl " << kVersion << "\n";
  if (absl::Status status = context.Connect(); !status.ok()) {
    context.Note(std::string(status.message()));
    return kOk;
  }
  // Whoever asks for a version should not have to wait for a server that is not there.
  constexpr absl::Duration kPatience = absl::Seconds(2);
  ClientOptions options;
  options.server = context.server;
  options.credentials = context.credentials;
  options.call_timeout = kPatience;
  options.call_retry.max_attempts = 1;
  const auto info = Client(std::move(options)).GetServerInfo();
  if (info.ok()) {
    context.out() << "traind " << Printable(info->version()) << " at " << context.server << "\n";
  } else if (absl::IsUnimplemented(info.status())) {
    context.out() << "traind at " << context.server << " is older than 0.3\n";
  } else if (absl::IsUnauthenticated(info.status())) {
    context.out() << "traind at " << context.server << " tells its version to its users only\n";
  } else {
    context.Note(absl::StrCat("no traind server answers at ", context.server));
  }
  return kOk;
}

void AddServerCommands(CLI::App& app, Context& context) {
  CLI::App& server = *app.add_subcommand("server", "The server itself: version, load, disk; its log level");
  server.require_subcommand(0, 1);
  server.footer(
      "Examples:\n"
      "  trainctl server\n"
      "  trainctl server --json | jq .capacity\n"
      "  trainctl server log-level debug");
  AddLogLevel(server, context);
  server.callback([&server, &context] {
    if (!server.get_subcommands().empty()) return;
    context.action = [&context] { return ShowInfo(context, context.MakeClient().GetServerInfo()); };
  });
}

}  // namespace traind::client
