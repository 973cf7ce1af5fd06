#include "server/backup_commands.h"

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "server/backup/backup.h"
#include "server/config.h"
#include "server/store/sqlite_schema.h"
#include "traind/version.h"

namespace traind::server {
namespace {

struct BackupFlags {
  std::string dir;
  std::string data_dir = Config().data_dir;
  bool verify = false;
};

std::string SummaryText(const BackupSummary& summary) {
  return absl::StrFormat("%d jobs, %d files, %.1f MiB, schema %d", summary.jobs, summary.files,
                         static_cast<double>(summary.bytes) / (1 << 20), summary.schema);
}

TellProgress TellTo(std::ostream& err) {
  return [&err](const std::string& line) { err << "traind: " << line << "\n" << std::flush; };
}

absl::Status Back(const BackupFlags& flags, HostCommand& command) {
  const auto summary = flags.verify ? VerifyBackup(flags.dir, TellTo(command.err))
                                    : MakeBackup(flags.data_dir, flags.dir, TellTo(command.err));
  if (!summary.ok()) return summary.status();
  command.out << flags.dir << (flags.verify ? " is whole: " : ": ") << SummaryText(*summary)
              << (flags.verify ? ", made " + summary->time : "") << "\n";
  return absl::OkStatus();
}

absl::Status Restore(const BackupFlags& flags, HostCommand& command) {
  const auto summary = RestoreBackup(flags.dir, flags.data_dir, TellTo(command.err));
  if (!summary.ok()) return summary.status();
  command.out << flags.data_dir << ": " << SummaryText(*summary) << ", as it was " << summary->time << "\n";
  command.err << "traind: users and tokens are those of that time: revoke again what was revoked since\n";
  if (const int64_t known = Migrations().back().schema; summary->schema > known) {
    command.err << "traind: this is traind " << kVersion << ", which knows schema " << known
                << " and cannot open it: start traind " << summary->version << "\n";
  }
  return absl::OkStatus();
}

CLI::App& AddOn(CLI::App& app, const char* name, const char* help, const std::shared_ptr<BackupFlags>& flags,
                HostCommand& command, absl::Status (*run)(const BackupFlags&, HostCommand&)) {
  CLI::App& added = *app.add_subcommand(name, help);
  added.callback([&command, flags, run] { command.run = [&command, flags, run] { return run(*flags, command); }; });
  return added;
}

}  // namespace

void AddBackupCommands(CLI::App& app, HostCommand& command) {
  auto made = std::make_shared<BackupFlags>();
  CLI::App& backup = AddOn(app, "backup", "Copy a data folder while its server runs", made, command, Back);
  backup.footer(
      "Examples:\n"
      "  traind backup /backup/monday --data-dir /var/lib/traind\n"
      "  traind backup --verify /backup/monday              every byte; so does: cd ... && sha256sum -c SHA256SUMS\n"
      "  traind restore /backup/monday --data-dir /var/lib/traind-again\n"
      "It is one moment of everything; jobs that ran go on from a checkpoint of it, with the same bits. On the disk "
      "of\n"
      "the data folder it takes hardly any room (hard links): against the loss of that disk make it on another one.");
  backup.add_option("DIR", made->dir, "Folder for the backup: empty, or made")->required();
  backup.add_option("--data-dir", made->data_dir, "The server's data folder")
      ->envname("TRAIND_DATA_DIR")
      ->capture_default_str();
  backup.add_flag("--verify", made->verify, "Make none, but check the one in DIR");
  auto restored = std::make_shared<BackupFlags>();
  CLI::App& restore = AddOn(app, "restore", "Make a data folder of a backup", restored, command, Restore);
  restore.footer(
      "Example:\n"
      "  traind restore /backup/monday --data-dir /var/lib/traind-again\n"
      "The backup stays as it is; every byte is checked on the way.");
  restore.add_option("DIR", restored->dir, "Folder of the backup")->required();
  restore.add_option("--data-dir", restored->data_dir, "The data folder that is made: empty, or absent")->required();
}

}  // namespace traind::server
