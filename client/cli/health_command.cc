// `trainctl health`: whether a server takes work, for probes of containers.
#include "client/cli/commands.h"

namespace traind::client {
namespace {

int CheckHealth(const Context& context) {
  if (absl::Status status = context.MakeClient().CheckHealth(); !status.ok()) return context.Fail(status);
  if (!context.quiet) context.out() << (context.json ? R"({"status": "SERVING"})" : "SERVING") << "\n";
  return kOk;
}

}  // namespace

void AddHealthCommand(CLI::App& app, Context& context) {
  CLI::App& command = *app.add_subcommand("health", "Whether the server takes work; needs no token");
  command.footer("Example:\n  trainctl health     exit code 0: SERVING, 4: it does not, 5: it is not reached");
  command.callback([&context] { context.action = [&context] { return CheckHealth(context); }; });
}

}  // namespace traind::client
