// `trainctl whoami`, `user ...`, `token ...`, `share` and `quota`: who is let in, who sees what, and who may have how
// much.
#include <google/protobuf/descriptor.h>
#include <google/protobuf/util/time_util.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "client/cli/commands.h"
#include "client/cli/flags.h"
#include "client/cli/job_view.h"
#include "client/cli/quota.h"
#include "client/cli/styled.h"
#include "client/cli/text.h"
#include "client/names.h"

namespace traind::client {
namespace {

const std::map<std::string, v1::Role> kRoleNames = {
    {"none", v1::ROLE_NONE}, {"viewer", v1::ROLE_VIEWER}, {"user", v1::ROLE_USER}, {"admin", v1::ROLE_ADMIN}};

std::string RoleText(v1::Role role) { return absl::AsciiStrToLower(absl::StripPrefix(v1::Role_Name(role), "ROLE_")); }

int ShowCaller(const Context& context) {
  const absl::StatusOr<v1::User> user = context.MakeClient().WhoAmI();
  if (!user.ok()) return context.Fail(user.status());
  if (context.json) {
    context.PrintJson(*user);
  } else if (user->name().empty()) {
    context.out() << (context.quiet ? "" : "everybody: this server has no users") << "\n";
  } else {
    context.out() << Printable(ShortName(user->name())) << (context.quiet ? "" : " " + RoleText(user->role())) << "\n";
  }
  return kOk;
}

int ShowUsers(const Context& context, const ListOptions& options) {
  const absl::StatusOr<std::vector<v1::User>> users = context.MakeClient().ListUsers(options);
  if (!users.ok()) return context.Fail(users.status());
  Table table({{.title = "user"},
               {.title = "role"},
               {.title = "weight", .rank = 2},
               {.title = "own quota", .rank = 3},
               {.title = "made", .rank = 1}});
  for (const v1::User& user : *users) {
    if (context.json) context.PrintJson(user);
    if (context.quiet && !context.json) context.out() << ShortName(user.name()) << "\n";
    table.Add({{.text = Printable(ShortName(user.name())), .style = Style::kBold},
               {.text = RoleText(user.role())},
               {.text = absl::StrCat(user.weight())},
               {.text = user.has_quota() ? FormatQuota(user.quota()) : "-"},
               {.text = FormatMinute(user.create_time())}});
  }
  if (!context.json && !context.quiet) context.out() << table.Render(context.console.width, context.color());
  return kOk;
}

struct UserFlags {
  std::string name;
  std::string role;
  std::vector<std::string> quotas;
  int32_t weight = 0;
};

int SetUser(const Context& context, const UserFlags& flags) {
  v1::SetUserRequest request;
  request.set_user(flags.name);
  if (!flags.role.empty()) request.set_role(kRoleNames.at(flags.role));
  request.set_weight(flags.weight);
  for (const std::string& text : flags.quotas) {
    if (const absl::Status status = ParseQuota(text, *request.mutable_quota()); !status.ok()) {
      context.err() << "error: --quota " << status.message() << "\n";
      return kUsage;
    }
  }
  const absl::StatusOr<v1::User> user = context.MakeClient().SetUser(request);
  if (!user.ok()) return context.Fail(user.status());
  if (context.json) context.PrintJson(*user);
  const std::string quota = FormatQuota(user->quota());
  context.Note(absl::StrCat(ShortName(user->name()), " is ", RoleText(user->role()), ", weight ", user->weight(),
                            quota.empty() ? ", with the server's quota" : ", quota " + quota));
  return kOk;
}

struct TokenFlags {
  std::string user;
  std::string description;
  std::string lifetime = "365d";
};

// Seconds from now; 0: never. Nothing: it is no lifetime.
std::optional<int64_t> ParseTokenLifetime(absl::string_view text) {
  if (text == "never") return 0;
  constexpr int64_t kHour = 3600, kMostHours = 876'000;
  const int64_t hours = absl::ConsumeSuffix(&text, "d") ? 24 : absl::ConsumeSuffix(&text, "h") ? 1 : 0;
  int64_t number = 0;
  if (hours == 0 || !absl::SimpleAtoi(text, &number) || number < 1 || number > kMostHours / hours) return std::nullopt;
  return number * hours * kHour;
}

int MakeToken(const Context& context, const TokenFlags& flags) {
  const std::optional<int64_t> seconds = ParseTokenLifetime(flags.lifetime);
  if (!seconds.has_value()) {
    context.err() << "error: --expires wants days or hours, like 90d or 12h, or never\n";
    return kUsage;
  }
  v1::IssueTokenRequest request;
  request.set_user(flags.user);
  request.set_description(flags.description);
  if (*seconds > 0) request.mutable_expire_time()->set_seconds(absl::ToUnixSeconds(absl::Now()) + *seconds);
  const absl::StatusOr<v1::IssueTokenResponse> made = context.MakeClient().IssueToken(request);
  if (!made.ok()) return context.Fail(made.status());
  if (context.json) {
    context.PrintJson(*made);
  } else {
    context.out() << made->secret() << "\n";
    context.Note(absl::StrCat(ShortName(made->token().name()), " of ", flags.user, "; it is shown only now"));
  }
  return kOk;
}

std::string TokenState(const v1::Token& token) {
  if (token.valid()) return "valid";
  return token.has_revoke_time() ? "revoked" : "expired";
}

int ShowTokens(const Context& context, const ListOptions& options) {
  const absl::StatusOr<std::vector<v1::Token>> tokens = context.MakeClient().ListTokens(options);
  if (!tokens.ok()) return context.Fail(tokens.status());
  Table table({{.title = "token"},
               {.title = "user"},
               {.title = "state"},
               {.title = "expires"},
               {.title = "last used", .rank = 2},
               {.title = "for", .rank = 1}});
  for (const v1::Token& token : *tokens) {
    if (context.json) context.PrintJson(token);
    if (context.quiet && !context.json) context.out() << ShortName(token.name()) << "\n";
    table.Add({{.text = ShortName(token.name()), .style = Style::kBold},
               {.text = Printable(token.owner())},
               {.text = TokenState(token), .style = token.valid() ? Style::kGood : Style::kDim},
               {.text = token.has_expire_time() ? FormatMinute(token.expire_time()) : "never"},
               {.text = token.has_last_use_time() ? FormatMinute(token.last_use_time()) : "-"},
               {.text = Printable(token.description())}});
  }
  if (!context.json && !context.quiet) context.out() << table.Render(context.console.width, context.color());
  return kOk;
}

std::string TokenName(absl::string_view text) { return FullName("tokens", text); }

int RevokeToken(const Context& context, const std::string& name) {
  const absl::StatusOr<v1::Token> token = context.MakeClient().RevokeToken(name);
  if (!token.ok()) return context.Fail(token.status());
  if (context.json) context.PrintJson(*token);
  context.Note(absl::StrCat(ShortName(name), " revoked"));
  return kOk;
}

struct ShareFlags {
  std::vector<std::string> names;
  std::vector<std::string> readers;
  bool everybody = false;
  bool nobody = false;
};

// What the flags make of a sharing.
void ApplySharing(const ShareFlags& flags, v1::Sharing& sharing) {
  if (flags.nobody) sharing.Clear();
  if (flags.everybody) sharing.set_public_(true);
  for (const std::string& reader : flags.readers) {
    const auto& readers = sharing.readers();
    if (std::find(readers.begin(), readers.end(), reader) == readers.end()) sharing.add_readers(reader);
  }
}

std::string SharingText(const v1::Sharing& sharing) {
  if (sharing.public_()) return "everybody";
  return sharing.readers().empty() ? "its owner only" : absl::StrJoin(sharing.readers(), ", ");
}

// With the etag of what was read: nobody's change is lost.
template <class Resource, class Update>
absl::Status Reshare(const ShareFlags& flags, absl::StatusOr<Resource> resource, v1::Sharing& result, Update update) {
  if (!resource.ok()) return resource.status();
  ApplySharing(flags, *resource->mutable_sharing());
  const absl::StatusOr<Resource> updated = update(*resource);
  if (updated.ok()) result = updated->sharing();
  return updated.status();
}

int ShareOne(const Context& context, const ShareFlags& flags, const std::string& name) {
  Client client = context.MakeClient();
  v1::Sharing sharing;
  absl::Status status;
  if (absl::StartsWith(name, "datasets/")) {
    status = Reshare(flags, client.GetDataset(name), sharing, [&](const v1::Dataset& dataset) {
      v1::UpdateDatasetRequest request;
      *request.mutable_dataset() = dataset;
      request.mutable_update_mask()->add_paths("sharing");
      return client.UpdateDataset(request);
    });
  } else if (absl::StartsWith(name, "models/")) {
    status = Reshare(flags, client.GetModel(name), sharing, [&](const v1::Model& model) {
      v1::UpdateModelRequest request;
      *request.mutable_model() = model;
      request.mutable_update_mask()->add_paths("sharing");
      return client.UpdateModel(request);
    });
  } else {
    status = Reshare(flags, client.GetJob(JobName(name), v1::JOB_VIEW_BASIC), sharing, [&](const v1::Job& job) {
      v1::UpdateJobRequest request;
      *request.mutable_job() = job;
      request.mutable_update_mask()->add_paths("sharing");
      return client.UpdateJob(request);
    });
  }
  if (!status.ok()) return context.Fail(status);
  context.Note(absl::StrCat(name, " is shared with ", SharingText(sharing)));
  return kOk;
}

void AddShare(CLI::App& app, Context& context) {
  CLI::App& command = *app.add_subcommand("share", "Let others read jobs, datasets and models");
  command.footer(
      "Examples:\n"
      "  trainctl share cnn --with bob --with eve       a job, with its events and checkpoints\n"
      "  trainctl share datasets/digits --public\n"
      "  trainctl share cnn --private                   its owner only, again\n"
      "A job does not share the dataset that it was trained on: share that, too, for others to evaluate it.");
  auto flags = std::make_shared<ShareFlags>();
  command.add_option("NAME", flags->names, "Jobs; datasets/ID, models/ID")->required();
  command.add_option("--with", flags->readers, "A user who may read it; may be given again")
      ->type_name("USER")
      ->expected(1)
      ->take_all();
  command.add_flag("--public", flags->everybody, "Everybody who is let in may read it");
  command.add_flag("--private", flags->nobody, "Nobody else may read it, but those of --with");
  command.callback([&context, flags] {
    context.action = [&context, flags] {
      if (!flags->everybody && !flags->nobody && flags->readers.empty()) {
        context.err() << "error: share with whom? --with USER, --public or --private\n";
        return static_cast<int>(kUsage);
      }
      return ForEach(flags->names, [&](const std::string& name) { return ShareOne(context, *flags, name); });
    };
  });
}

void AddUserCommands(CLI::App& app, Context& context) {
  CLI::App& user = *app.add_subcommand("user", "Users, their roles and quotas, for administrators: list, set");
  user.require_subcommand(1);
  user.footer("Examples:\n  trainctl user list\n  trainctl user set bob --role viewer");
  {
    CLI::App& command = *user.add_subcommand("list", "List the users by name");
    command.footer("Example:\n  trainctl user list --filter 'role = ADMIN'");
    auto flags = std::make_shared<ListFlags>();
    AddListFlags(command, *flags, {.fields = "name, role, create_time", .sort = false});
    command.callback([&context, flags] {
      context.action = [&context, flags] { return ShowUsers(context, ToListOptions(*flags)); };
    });
  }
  CLI::App& command = *user.add_subcommand("set", "Make a user, or change one");
  command.footer(
      "Examples:\n"
      "  trainctl user set bob --role none     locked out, with all tokens\n"
      "  trainctl user set bob --quota threads=4,dataset_bytes=10GiB --weight 2\n"
      "  trainctl user set bob --quota threads=default     the server's limit again; none: no limit");
  auto flags = std::make_shared<UserFlags>();
  command.add_option("USER", flags->name, "Name of the user")->required();
  auto* role = command.add_option("--role", flags->role, "none, viewer, user or admin")
                   ->check(CLI::IsMember({"none", "viewer", "user", "admin"}));
  auto* quota = command.add_option("--quota", flags->quotas, "Limits of this user's own; may be given again")
                    ->type_name("NAME=LIMIT,...")
                    ->expected(1)
                    ->take_all();
  auto* weight =
      command.add_option("--weight", flags->weight, "Share of the threads: 1 to 1000")->check(CLI::Range(1, 1000));
  command.callback([&context, flags, role, quota, weight] {
    if (role->empty() && quota->empty() && weight->empty()) {
      throw CLI::RequiredError("--role, --quota or --weight");
    }
    context.action = [&context, flags] { return SetUser(context, *flags); };
  });
}

// "4", "1.2 MB".
std::string QuotaAmount(const std::string& name, int64_t amount) {
  return absl::EndsWith(name, "_bytes") ? FormatBytes(amount) : absl::StrCat(amount);
}

int ShowQuota(const Context& context, const std::string& user) {
  const absl::StatusOr<v1::GetQuotaResponse> quota =
      context.MakeClient().GetQuota(user.empty() ? "" : FullName("users", user));
  if (!quota.ok()) return context.Fail(quota.status());
  if (context.json) {
    context.PrintJson(*quota);
    return kOk;
  }
  context.Note(absl::StrCat(Printable(ShortName(quota->name())), ", weight ", quota->weight()));
  Table table({{.title = "quota"}, {.title = "used", .right = true}, {.title = "limit", .right = true}});
  const auto& reflection = *v1::Quota::GetReflection();
  for (int i = 0; i < v1::Quota::descriptor()->field_count(); ++i) {
    const auto* field = v1::Quota::descriptor()->field(i);
    const int64_t used = reflection.GetInt64(quota->used(), field);
    const bool limited = reflection.HasField(quota->limits(), field);
    const int64_t limit = reflection.GetInt64(quota->limits(), field);
    table.Add(
        {{.text = field->name(), .style = Style::kBold},
         {.text = QuotaAmount(field->name(), used), .style = limited && used >= limit ? Style::kBad : Style::kPlain},
         {.text = limited ? QuotaAmount(field->name(), limit) : "-"}});
  }
  context.out() << table.Render(context.console.width, context.color());
  return kOk;
}

void AddQuota(CLI::App& app, Context& context) {
  CLI::App& command = *app.add_subcommand("quota", "How much you may have of everything, and have");
  command.footer(
      "Examples:\n"
      "  trainctl quota\n"
      "  trainctl quota bob          of another user, for administrators\n"
      "Where there is no limit the table has a -. `trainctl user set bob --quota ...` changes limits.");
  auto user = std::make_shared<std::string>();
  command.add_option("USER", *user, "Whose; default: yours");
  command.callback([&context, user] { context.action = [&context, user] { return ShowQuota(context, *user); }; });
}

void AddTokenCommands(CLI::App& app, Context& context) {
  CLI::App& token = *app.add_subcommand("token", "Tokens: create, list, revoke");
  token.require_subcommand(1);
  token.footer(
      "Examples:\n"
      "  trainctl token create bob > token; chmod 600 token\n"
      "  trainctl token list\n"
      "  trainctl token revoke tok-0123456789ab\n"
      "The first token is made on the server's machine: traind token create NAME --role admin.");
  {
    CLI::App& command = *token.add_subcommand("create", "Make a token for a user; it is printed once");
    command.footer("Example:\n  trainctl token create bob --expires 90d --description laptop");
    auto flags = std::make_shared<TokenFlags>();
    command.add_option("USER", flags->user, "Whose token; `trainctl user set` makes users")->required();
    command.add_option("--expires", flags->lifetime, "After how long: 90d, 12h, or never")->capture_default_str();
    command.add_option("--description", flags->description, "What it is for");
    command.callback([&context, flags] { context.action = [&context, flags] { return MakeToken(context, *flags); }; });
  }
  {
    CLI::App& command = *token.add_subcommand("list", "List your tokens; administrators see all");
    command.footer("Example:\n  trainctl token list --filter 'valid = true'");
    auto flags = std::make_shared<ListFlags>();
    AddListFlags(command, *flags,
                 {.fields = "name, owner, description, valid, create_time, expire_time, last_use_time, revoke_time",
                  .sort = false});
    command.callback([&context, flags] {
      context.action = [&context, flags] { return ShowTokens(context, ToListOptions(*flags)); };
    });
  }
  AddVerb(token, context,
          {"revoke", "From now on a token lets nobody in", "Example:\n  trainctl token revoke tok-0123456789ab",
           "TOKEN", TokenName, RevokeToken});
}

}  // namespace

void AddAccountCommands(CLI::App& app, Context& context) {
  CLI::App& whoami = *app.add_subcommand("whoami", "Who you are to the server, and your role");
  whoami.footer("Example:\n  trainctl whoami");
  whoami.callback([&context] { context.action = [&context] { return ShowCaller(context); }; });
  AddShare(app, context);
  AddUserCommands(app, context);
  AddTokenCommands(app, context);
  AddQuota(app, context);
}

}  // namespace traind::client
