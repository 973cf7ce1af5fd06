#include "server/host_commands.h"

#include <CLI/CLI.hpp>
#include <exception>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/account_commands.h"
#include "server/backup_commands.h"
#include "server/tls/dev_certificates.h"

namespace traind::server {
namespace {

// Clocks of other machines may be a little behind.
constexpr absl::Duration kClockSlack = absl::Hours(1);

void AddDevCert(CLI::App& app, HostCommand& command) {
  CLI::App& dev_cert = *app.add_subcommand("dev-cert", "Make certificates for trying TLS out");
  dev_cert.footer(
      "Example:\n"
      "  traind dev-cert certs train.example.org 10.0.0.7\n"
      "  traind --listen 0.0.0.0:50051 --tls-cert certs/server.pem --tls-key certs/server-key.pem\n"
      "  trainctl --server train.example.org:50051 --tls-ca certs/ca.pem list\n"
      "client.pem and client-key.pem are for a server with --tls-client-ca certs/ca.pem. All of them last a year; the\n"
      "authority's key is not kept, so that nobody can make more of them.");
  auto wanted = std::make_shared<DevCertificates>();
  dev_cert.add_option("DIR", wanted->folder, "Folder for the files; made if absent")->required();
  dev_cert.add_option("NAME", wanted->names, "DNS names and addresses of the server, beside localhost, 127.0.0.1, ::1");
  dev_cert.add_option("--client", wanted->client, "Name in the client's certificate")->capture_default_str();
  dev_cert.callback([&command, wanted] {
    command.run = [&command, wanted] {
      wanted->begin = absl::Now() - kClockSlack;
      if (absl::Status status = MakeDevCertificates(*wanted); !status.ok()) return status;
      command.out << "traind --tls-cert " << wanted->folder << "/server.pem --tls-key " << wanted->folder
                  << "/server-key.pem\ntrainctl --tls-ca " << wanted->folder << "/ca.pem list\n";
      return absl::OkStatus();
    };
  });
}

// 0, or 1 when the output did not arrive, as on a full disk: a token's secret is shown only once.
int Flush(std::ostream& out, std::ostream& err) {
  out.flush();
  if (!out.fail()) return 0;
  err << "traind: cannot write to the standard output\n";
  return 1;
}

}  // namespace

std::optional<int> RunHostCommand(const std::vector<std::string>& arguments, std::ostream& out, std::ostream& err) {
  CLI::App app("", "traind");
  HostCommand command{.out = out, .err = err};
  AddDevCert(app, command);
  AddAccountCommands(app, command);
  AddBackupCommands(app, command);
  const auto names = [&](const CLI::App* sub) { return !arguments.empty() && sub->get_name() == arguments[0]; };
  if (app.get_subcommands(names).empty()) return std::nullopt;
  try {
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
    const absl::Status status = command.run();
    if (status.ok()) return Flush(out, err);
    err << "traind: " << status.message() << "\n";
    return 1;
  } catch (const CLI::Success& success) {  // --help.
    app.exit(success, out, err);
    return Flush(out, err);
  } catch (const std::exception& error) {
    err << "traind: " << error.what() << "\nRun with --help for more information.\n";
    return 2;
  }
}

}  // namespace traind::server
