// `trainctl storage`, `pin` and `unpin`: who uses the disk, and what stays.
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/commands.h"
#include "client/cli/flags.h"
#include "client/cli/styled.h"
#include "client/cli/text.h"
#include "client/enum_names.h"
#include "client/names.h"

namespace traind::client {
namespace {

std::string KindText(v1::StorageKind kind) { return absl::AsciiStrToLower(EnumName(kind)); }

// By owner; the database holds the events, which are not counted twice.
void PrintUses(const Context& context, const v1::Storage& storage) {
  Table table(
      {{.title = "owner"}, {.title = "kind"}, {.title = "number", .right = true}, {.title = "size", .right = true}});
  int64_t bytes = 0;
  for (const v1::Storage::Use& use : storage.uses()) {
    const bool of_database = use.kind() == v1::STORAGE_KIND_EVENTS;
    if (!of_database) bytes += use.bytes();
    table.Add({{.text = use.owner().empty() ? "-" : Printable(use.owner())},
               {.text = KindText(use.kind()), .style = Style::kBold},
               {.text = FormatCount(static_cast<double>(use.count()))},
               {.text = FormatBytes(use.bytes()), .style = of_database ? Style::kDim : Style::kPlain}});
  }
  context.out() << table.Render(context.console.width, context.color());
  context.Say("together", absl::StrCat(FormatBytes(bytes), "; the events are in the database"));
  context.Say("free", absl::StrCat(FormatBytes(storage.free_bytes()), " of ", FormatBytes(storage.total_bytes())));
  context.Say("rules", storage.rules().empty()
                           ? "none: everything is kept"
                           : absl::StrCat(absl::StrJoin(storage.rules(), " "),
                                          storage.plan_only() ? " (--retain-plan: nothing goes)" : ""));
}

void PrintPlan(const Context& context, const v1::Storage& storage) {
  Table table({{.title = "goes"}, {.title = "kind"}, {.title = "size", .right = true}, {.title = "why", .rank = 1}});
  for (const v1::Storage::Removal& removal : storage.planned()) {
    const bool thinned = removal.kind() == v1::STORAGE_KIND_EVENTS;
    table.Add({{.text = Printable(removal.name()), .style = Style::kBold},
               {.text = thinned ? "events, thinned" : KindText(removal.kind())},
               {.text = FormatBytes(removal.bytes())},
               {.text = Printable(removal.reason())}});
  }
  if (storage.planned_count() == 0) {
    context.Note("by the rules nothing goes now");
    return;
  }
  context.out() << table.Render(context.console.width, context.color());
  context.Say("together", absl::StrCat(storage.planned_count(), ", ", FormatBytes(storage.planned_bytes())));
}

int ShowStorage(const Context& context, bool plan) {
  const absl::StatusOr<v1::Storage> storage = context.MakeClient().GetStorage(plan);
  if (!storage.ok()) return context.Fail(storage.status());
  if (context.json) {
    context.PrintJson(*storage);
    return kOk;
  }
  if (context.quiet) {
    for (const v1::Storage::Removal& removal : storage->planned()) context.out() << removal.name() << "\n";
    return kOk;
  }
  plan ? PrintPlan(context, *storage) : PrintUses(context, *storage);
  if (storage->incomplete()) context.Note("there was no time to count everything: ask again, it goes on from there");
  return kOk;
}

int Pin(const Context& context, const std::string& name, bool pinned) {
  Client client = context.MakeClient();
  absl::Status status;
  if (absl::StartsWith(name, "models/")) {
    v1::UpdateModelRequest request;
    request.mutable_model()->set_name(name);
    request.mutable_model()->set_pinned(pinned);
    request.mutable_update_mask()->add_paths("pinned");
    status = client.UpdateModel(request).status();
  } else {
    v1::UpdateJobRequest request;
    request.mutable_job()->set_name(name);
    request.mutable_job()->set_pinned(pinned);
    request.mutable_update_mask()->add_paths("pinned");
    status = client.UpdateJob(request).status();
  }
  if (!status.ok()) return context.Fail(status);
  context.Note(absl::StrCat(name, pinned ? " stays, whatever the rules" : " goes by the rules"));
  return kOk;
}

// "models/mine" as it is, else a job.
std::string JobOrModelName(absl::string_view name) {
  return absl::StartsWith(name, "models/") ? std::string(name) : JobName(name);
}

}  // namespace

void AddStorageCommands(CLI::App& app, Context& context) {
  CLI::App& storage = *app.add_subcommand("storage", "Who uses the server's disk for what, and what its rules remove");
  storage.footer(
      "Examples:\n"
      "  trainctl storage\n"
      "  trainctl storage --plan               what the rules (traind --retain) would remove now, and why\n"
      "  trainctl storage --json | jq '.uses[]'\n"
      "You see what is your own; administrators see everything.");
  auto plan = std::make_shared<bool>(false);
  storage.add_flag("--plan", *plan, "What would go now, in that order");
  storage.callback([&context, plan] { context.action = [&context, plan] { return ShowStorage(context, *plan); }; });
  AddVerb(app, context,
          {"pin", "Keep jobs and models whatever the rules of retention say",
           "Examples:\n  trainctl pin mine\n  trainctl pin models/brought\n  trainctl list --filter 'pinned = true'",
           "JOB", JobOrModelName, [](const Context& with, const std::string& name) { return Pin(with, name, true); }});
  AddVerb(app, context,
          {"unpin", "Let the rules of retention remove them again", "Example:\n  trainctl unpin mine", "JOB",
           JobOrModelName, [](const Context& with, const std::string& name) { return Pin(with, name, false); }});
}

}  // namespace traind::client
