#include "server/account_commands.h"

#include <filesystem>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "core/base/enum_name.h"
#include "core/base/file.h"
#include "server/accounts/account_store.h"
#include "server/config.h"

namespace traind::server {
namespace {

constexpr absl::Duration kDay = absl::Hours(24);
constexpr int64_t kMostDays = 36500;

const std::map<std::string, v1::Role> kRoles = {
    {"none", v1::ROLE_NONE}, {"viewer", v1::ROLE_VIEWER}, {"user", v1::ROLE_USER}, {"admin", v1::ROLE_ADMIN}};

std::string RoleText(v1::Role role) { return absl::AsciiStrToLower(core::EnumName(role)); }

std::string DayText(absl::Time time) {
  if (time == absl::InfiniteFuture() || time == absl::InfinitePast()) return "never";
  return absl::FormatTime("%Y-%m-%d", time, absl::UTCTimeZone());
}

struct AccountFlags {
  std::string data_dir = Config().data_dir;
  std::string user;
  std::string role;  // Empty: as it is.
  std::string lifetime = "365d";
  std::string description;
  std::vector<std::string> tokens;
  std::vector<std::string> quotas;  // See ParseQuotaChange.
  int32_t weight = 0;               // 0: as it is.

  std::optional<v1::Role> wanted_role() const { return role.empty() ? std::nullopt : std::optional(kRoles.at(role)); }
};

absl::StatusOr<std::unique_ptr<AccountStore>> OpenAccounts(const AccountFlags& flags, std::ostream& err) {
  std::error_code error;
  if (!std::filesystem::exists(flags.data_dir, error)) {
    if (absl::Status status = core::CreateFolders(flags.data_dir); !status.ok()) return status;
    err << "traind: made the data folder " << flags.data_dir << "\n";
  }
  return AccountStore::Open(flags.data_dir + "/traind.db");
}

absl::Status Create(const AccountFlags& flags, std::ostream& out, std::ostream& err) {
  const auto lifetime = ParseLifetime(flags.lifetime);
  if (!lifetime.has_value()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--expires ", flags.lifetime, ": wants days or hours, like 90d or 12h, or never"));
  }
  auto accounts = OpenAccounts(flags, err);
  if (!accounts.ok()) return accounts.status();
  // The first one has to be able to make others.
  const auto empty = (*accounts)->IsEmpty();
  if (!empty.ok()) return empty.status();
  if (*empty && flags.role.empty()) {
    return absl::FailedPreconditionError("there are no users yet: the first one is made with --role admin");
  }
  const auto user = (*accounts)->PutUser(flags.user, flags.wanted_role());
  if (!user.ok()) return user.status();
  const absl::Time end = *lifetime == absl::InfiniteDuration() ? absl::InfiniteFuture() : absl::Now() + *lifetime;
  const auto token = (*accounts)->CreateToken(flags.user, flags.description, end);
  if (!token.ok()) return token.status();
  if (*empty) err << "traind: from now on this server lets in only those with a token or a client certificate\n";
  err << "traind: " << token->record.id << " of " << user->name << " (" << RoleText(user->role) << "), expires "
      << DayText(token->record.expire_time) << "; it is shown only now\n";
  out << token->secret << "\n";
  return absl::OkStatus();
}

absl::Status ListTokens(const AccountFlags& flags, std::ostream& out, std::ostream& err) {
  auto accounts = OpenAccounts(flags, err);
  if (!accounts.ok()) return accounts.status();
  const auto tokens = (*accounts)->ListTokens(flags.user);
  if (!tokens.ok()) return tokens.status();
  constexpr char kRow[] = "%-16s  %-16s  %-10s  %-10s  %-10s  %-8s  %s\n";
  out << absl::StrFormat(kRow, "token", "user", "made", "expires", "last used", "state", "description");
  for (const TokenRecord& token : *tokens) {
    const char* state = token.IsRevoked()            ? "revoked"
                        : token.is_damaged           ? "damaged"
                        : token.IsValid(absl::Now()) ? "valid"
                                                     : "expired";
    out << absl::StrFormat(kRow, token.id, token.user, DayText(token.create_time), DayText(token.expire_time),
                           DayText(token.last_use_time), state, absl::CHexEscape(token.description));
  }
  return absl::OkStatus();
}

absl::Status Revoke(const AccountFlags& flags, std::ostream& out, std::ostream& err) {
  auto accounts = OpenAccounts(flags, err);
  if (!accounts.ok()) return accounts.status();
  for (const std::string& id : flags.tokens) {
    const auto revoked = (*accounts)->RevokeToken(id);
    if (!revoked.ok()) return revoked.status();
    out << id << " of " << revoked->user << " revoked\n";
  }
  return absl::OkStatus();
}

std::string UserLine(const User& user) {
  if (user.is_damaged) return absl::StrFormat("%-32s  damaged: locked out until its --role is set\n", user.name);
  return absl::StrFormat("%-32s  %-8s  %s  weight %d  %s\n", user.name, RoleText(user.role), DayText(user.create_time),
                         user.weight, user.quota.ByteSizeLong() == 0 ? "the server's quota" : QuotaText(user.quota));
}

absl::Status ListUsers(const AccountFlags& flags, std::ostream& out, std::ostream& err) {
  auto accounts = OpenAccounts(flags, err);
  if (!accounts.ok()) return accounts.status();
  const auto users = (*accounts)->ListUsers();
  if (!users.ok()) return users.status();
  for (const User& user : *users) out << UserLine(user);
  return absl::OkStatus();
}

absl::Status SetUser(const AccountFlags& flags, std::ostream& out, std::ostream& err) {
  auto accounts = OpenAccounts(flags, err);
  if (!accounts.ok()) return accounts.status();
  UserChange change{.role = flags.wanted_role()};
  if (flags.weight != 0) change.weight = flags.weight;
  for (const std::string& text : flags.quotas) {
    if (absl::Status status = ParseQuotaChange(text, change.quota); !status.ok()) return status;
  }
  const auto user = (*accounts)->PutUser(flags.user, change);
  if (!user.ok()) return user.status();
  out << UserLine(*user);
  return absl::OkStatus();
}

using Run = absl::Status (*)(const AccountFlags&, std::ostream& out, std::ostream& err);

// A command with --data-dir.
CLI::App& Add(CLI::App& app, HostCommand& command, const char* name, const char* help,
              const std::shared_ptr<AccountFlags>& flags, Run run) {
  CLI::App& added = *app.add_subcommand(name, help);
  added.add_option("--data-dir", flags->data_dir, "The server's data folder")
      ->envname("TRAIND_DATA_DIR")
      ->capture_default_str();
  added.callback([&command, flags, run] {
    command.run = [&command, flags, run] { return run(*flags, command.out, command.err); };
  });
  return added;
}

CLI::Validator IsRole() { return CLI::IsMember({"none", "viewer", "user", "admin"}); }

void AddTokenCommands(CLI::App& app, HostCommand& command) {
  CLI::App& token = *app.add_subcommand("token", "Tokens of users: create, list, revoke");
  token.require_subcommand(1);
  token.footer(
      "Examples:\n"
      "  traind token create ada --role admin > token; chmod 600 token\n"
      "  traind token list\n"
      "  traind token revoke tok-0123456789ab\n"
      "They work on the data folder, beside a server that runs or without one, and count at once.");
  auto flags = std::make_shared<AccountFlags>();
  CLI::App& create =
      Add(token, command, "create", "Make a token, and its user if need be; it is printed once", flags, Create);
  create.add_option("USER", flags->user, "Whose token")->required();
  create.add_option("--role", flags->role, "Of the user: viewer, user or admin; a new one is a user")->check(IsRole());
  create.add_option("--expires", flags->lifetime, "After how long: 90d, 12h, or never")->capture_default_str();
  create.add_option("--description", flags->description, "What it is for");
  CLI::App& list = Add(token, command, "list", "List the tokens, without their secrets", flags, ListTokens);
  list.add_option("USER", flags->user, "Of this user only");
  CLI::App& revoke = Add(token, command, "revoke", "From now on a token lets nobody in", flags, Revoke);
  revoke.add_option("TOKEN", flags->tokens, "\"tok-...\", as `list` shows it")->required();
}

void AddUserCommands(CLI::App& app, HostCommand& command) {
  CLI::App& user = *app.add_subcommand("user", "Users, their roles and quotas: list, set");
  user.require_subcommand(1);
  user.footer(
      "Examples:\n"
      "  traind user list\n"
      "  traind user set ada --role none     locked out, with all tokens and certificates\n"
      "  traind user set bob --quota threads=4,dataset_bytes=10GiB --weight 2\n"
      "A client certificate (--tls-client-ca) is that of the user whose name is its common name.");
  auto flags = std::make_shared<AccountFlags>();
  Add(user, command, "list", "List the users", flags, ListUsers);
  CLI::App& set = Add(user, command, "set", "Make a user, or change one", flags, SetUser);
  set.add_option("USER", flags->user, "Name of the user")->required();
  set.add_option("--role", flags->role, "none, viewer, user or admin; default: as it is")->check(IsRole());
  set.add_option("--quota", flags->quotas,
                 "Limits of this user's own, as `traind --quota` has them; none: no limit, default: the server's again")
      ->expected(1)
      ->take_all();
  set.add_option("--weight", flags->weight, "Share of the threads beside those of other users: 1 to 1000")
      ->check(CLI::Range(1, 1000));
  set.parse_complete_callback([flags] {
    if (!flags->role.empty() || !flags->quotas.empty() || flags->weight != 0) return;
    throw CLI::RequiredError("--role, --quota or --weight");
  });
}

}  // namespace

std::optional<absl::Duration> ParseLifetime(const std::string& text) {
  if (text == "never") return absl::InfiniteDuration();
  int64_t number = 0;
  const bool days = absl::EndsWith(text, "d"), hours = absl::EndsWith(text, "h");
  if ((!days && !hours) || !absl::SimpleAtoi(text.substr(0, text.size() - 1), &number)) return std::nullopt;
  if (number < 1 || number > (days ? kMostDays : kMostDays * 24)) return std::nullopt;
  return number * (days ? kDay : absl::Hours(1));
}

void AddAccountCommands(CLI::App& app, HostCommand& command) {
  AddTokenCommands(app, command);
  AddUserCommands(app, command);
}

}  // namespace traind::server
