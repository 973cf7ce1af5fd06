// `trainctl operations` and `trainctl operation ...`: work that a command began and did not wait for.
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/flags.h"
#include "client/cli/job_view.h"
#include "client/cli/operation_view.h"
#include "client/cli/prediction_output.h"
#include "client/cli/styled.h"
#include "client/cli/text.h"
#include "client/enum_names.h"
#include "client/names.h"
#include "client/operation.h"

namespace traind::client {
namespace {

// "60 %", or what it waits for, or its error.
std::string Standing(const v1::Operation& operation, const v1::OperationMetadata& metadata) {
  if (operation.has_error()) return Printable(operation.error().message());
  if (metadata.state() == v1::OPERATION_STATE_QUEUED) return Printable(metadata.queue_reason());
  const v1::OperationProgress& progress = metadata.progress();
  if (operation.done() || progress.total() <= 0) return "";
  std::string text = FormatPercent(static_cast<double>(progress.done()) / static_cast<double>(progress.total()));
  if (progress.has_remaining()) absl::StrAppend(&text, ", ", FormatElapsed(ToDuration(progress.remaining())), " left");
  return text;
}

std::string Took(const v1::OperationMetadata& metadata) {
  if (!metadata.has_start_time() || !metadata.has_end_time()) return "-";
  return FormatElapsed(ToTime(metadata.end_time()) - ToTime(metadata.start_time()));
}

int ListOperations(const Context& context, const ListOptions& options) {
  const absl::StatusOr<std::vector<v1::Operation>> operations = context.MakeClient().ListOperations(options);
  if (!operations.ok()) return context.Fail(operations.status());
  NoteUnreachable(context, options);
  Table table({{.title = "operation"},
               {.title = "what"},
               {.title = "of"},
               {.title = "state"},
               {.title = "created", .rank = 2},
               {.title = "took", .right = true, .rank = 3},
               {.title = "", .rank = 1}});
  for (const v1::Operation& operation : *operations) {
    if (context.json) context.PrintJson(operation);
    if (context.quiet && !context.json) context.out() << operation.name() << "\n";
    const v1::OperationMetadata metadata = MetadataOf(operation);
    table.Add({{.text = ShortName(operation.name()), .style = Style::kBold},
               {.text = WorkOf(metadata)},
               {.text = Printable(metadata.target())},
               {.text = EnumName(metadata.state()), .style = OperationStyle(metadata.state())},
               {.text = FormatMinute(metadata.create_time())},
               {.text = Took(metadata)},
               {.text = Standing(operation, metadata), .style = Style::kDim}});
  }
  if (context.json || context.quiet) return kOk;
  if (operations->empty()) {
    context.Note("no operations; `trainctl model eval JOB --async` begins one");
  } else {
    context.out() << table.Render(context.console.width, context.color());
  }
  return kOk;
}

int GetOperation(const Context& context, const std::string& name) {
  const absl::StatusOr<v1::Operation> operation = context.MakeClient().GetOperation(name);
  if (!operation.ok()) return context.Fail(operation.status());
  const v1::OperationMetadata metadata = MetadataOf(*operation);
  if (context.json) {
    context.PrintJson(*operation);
  } else if (context.quiet) {
    context.out() << EnumName(metadata.state()) << "\n";
  } else {
    context.Say("name", operation->name());
    context.Say("what", absl::StrCat(WorkOf(metadata), " ", metadata.target()));
    context.Say("state", EnumName(metadata.state()));
    if (operation->has_error()) context.Say("error", operation->error().message());
    if (metadata.state() == v1::OPERATION_STATE_QUEUED) context.Say("waits for", metadata.queue_reason());
    if (!operation->done()) context.Say("progress", RenderOperation(metadata, context.console.width - 14));
    context.Say("attempts", absl::StrCat(metadata.attempts()));
    context.Say("created", FormatSecond(metadata.create_time()));
    if (operation->done()) context.Say("took", Took(metadata));
    if (operation->has_response()) context.Note("  trainctl operation result " + operation->name() + "   what it made");
  }
  return kOk;
}

int ResultCommand(const Context& context, const std::string& name, const std::string& output) {
  Client client = context.MakeClient();
  const absl::StatusOr<v1::Operation> operation = client.GetOperation(name);
  if (!operation.ok()) return context.Fail(operation.status());
  return ShowResult(context, client, *operation, {.path = output});
}

}  // namespace

int CancelOperation(const Context& context, const std::string& name) {
  const absl::StatusOr<v1::Operation> operation = context.MakeClient().CancelOperation(name);
  if (!operation.ok()) return context.Fail(operation.status());
  if (context.json) {
    context.PrintJson(*operation);
  } else if (!context.quiet) {
    context.out() << operation->name() << " " << EnumName(MetadataOf(*operation).state()) << "\n";
  }
  return kOk;
}

int DeleteOperation(const Context& context, const std::string& name) {
  if (absl::Status status = context.MakeClient().DeleteOperation(name); !status.ok()) return context.Fail(status);
  context.Note(absl::StrCat(name, " deleted"));
  return kOk;
}

void AddOperationCommands(CLI::App& app, Context& context) {
  {
    CLI::App& command = *app.add_subcommand("operations", "List imports, descriptions, evaluations and predictions");
    command.footer(
        "Examples:\n"
        "  trainctl operations\n"
        "  trainctl operations --filter 'done = false'\n"
        "  trainctl operations --filter 'target:cnn' --limit 5\n"
        "The newest come first. Done ones are forgotten after a week.");
    auto flags = std::make_shared<ListFlags>();
    AddListFlags(command, *flags, {.fields = "name, done, state, method, target, owner, create_time", .sort = false});
    command.callback([&context, flags] {
      context.action = [&context, flags] { return ListOperations(context, ToListOptions(*flags)); };
    });
  }
  CLI::App& operation = *app.add_subcommand("operation", "One operation: get, result, wait, cancel, delete");
  operation.require_subcommand(1);
  operation.footer("Examples:\n  trainctl operations\n  trainctl operation result operations/3f2a");
  const auto add = [&](const char* verb, const char* help, const char* footer,
                       int (*run)(const Context&, const std::string&)) {
    AddVerb(operation, context, {verb, help, footer, "OPERATION", OperationName, run});
  };
  add("get", "Show one operation: its state, progress and error", "Example:\n  trainctl operation get 3f2a",
      GetOperation);
  {
    CLI::App& command = *operation.add_subcommand("result", "What a done operation made");
    command.footer(
        "Examples:\n"
        "  trainctl operation result 3f2a\n"
        "  trainctl operation result 3f2a -o predictions.npy");
    auto name = std::make_shared<std::string>();
    auto output = std::make_shared<std::string>();
    command.add_option("OPERATION", *name, "Name of the operation")->required();
    command.add_option("-o,--output", *output, kPredictionOutputHelp)->type_name("FILE");
    command.callback([&context, name, output] {
      context.action = [&context, name, output] { return ResultCommand(context, OperationName(*name), *output); };
    });
  }
  add("wait", "Wait until operations are done; the same as `trainctl wait`",
      "Example:\n  trainctl operation wait 3f2a\nCtrl-C detaches: the operation goes on.", WaitForOperation);
  add("cancel", "End operations", "Example:\n  trainctl operation cancel 3f2a", CancelOperation);
  add("delete", "Forget done operations, with the predictions they hold", "Example:\n  trainctl operation delete 3f2a",
      DeleteOperation);
}

}  // namespace traind::client
