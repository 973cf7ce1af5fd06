// `trainctl checkpoint ...`: what a job has saved.
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/flags.h"
#include "client/cli/job_view.h"
#include "client/cli/styled.h"
#include "client/cli/text.h"
#include "client/names.h"

namespace traind::client {
namespace {

int GetCheckpoint(const Context& context, const std::string& name) {
  const absl::StatusOr<v1::Checkpoint> checkpoint = context.MakeClient().GetCheckpoint(name);
  if (!checkpoint.ok()) return context.Fail(checkpoint.status());
  if (context.json) {
    context.PrintJson(*checkpoint);
    return kOk;
  }
  if (context.quiet) {
    context.out() << checkpoint->name() << "\n";
    return kOk;
  }
  context.Say("name", checkpoint->name());
  context.Say("step", absl::StrCat(checkpoint->step(), checkpoint->best() ? ", the best so far" : ""));
  if (checkpoint->has_evaluation_loss()) {
    context.Say("evaluation", absl::StrCat("loss ", FormatNumber(checkpoint->evaluation_loss()),
                                           checkpoint->has_evaluation_accuracy()
                                               ? ", accuracy " + FormatPercent(checkpoint->evaluation_accuracy())
                                               : ""));
  }
  context.Say("size", FormatBytes(checkpoint->size_bytes()));
  context.Say("saved", FormatSecond(checkpoint->create_time()));
  return kOk;
}

int DeleteCheckpoint(const Context& context, const std::string& name) {
  if (absl::Status status = context.MakeClient().DeleteCheckpoint(name); !status.ok()) return context.Fail(status);
  context.Note(absl::StrCat(name, " deleted"));
  return kOk;
}

}  // namespace

int ListCheckpoints(const Context& context, const std::string& job, const ListOptions& options) {
  const absl::StatusOr<std::vector<v1::Checkpoint>> checkpoints = context.MakeClient().ListCheckpoints(job, options);
  if (!checkpoints.ok()) return context.Fail(checkpoints.status());
  // What the best one is the best by, where that has no column of its own.
  std::string metric = checkpoints->empty() ? "" : checkpoints->back().best_metric();
  if (metric == "loss" || metric == "accuracy") metric.clear();
  Table table({{.title = "checkpoint"},
               {.title = "step", .right = true},
               {.title = "loss", .right = true},
               {.title = "accuracy", .right = true},
               {.title = metric, .right = true, .optional = true},
               {.title = "size", .right = true},
               {.title = "saved", .rank = 1},
               {.title = ""}});
  for (const v1::Checkpoint& checkpoint : *checkpoints) {
    if (context.json) context.PrintJson(checkpoint);
    if (context.quiet && !context.json) context.out() << checkpoint.name() << "\n";
    table.Add({{.text = checkpoint.name(), .style = Style::kBold},
               {.text = absl::StrCat(checkpoint.step())},
               {.text = checkpoint.has_evaluation_loss() ? FormatNumber(checkpoint.evaluation_loss()) : "-"},
               {.text = checkpoint.has_evaluation_accuracy() ? FormatPercent(checkpoint.evaluation_accuracy()) : "-"},
               {.text = metric.empty()                       ? ""
                        : checkpoint.has_best_metric_value() ? FormatNumber(checkpoint.best_metric_value())
                                                             : "-"},
               {.text = FormatBytes(checkpoint.size_bytes())},
               {.text = FormatSecond(checkpoint.create_time())},
               {.text = checkpoint.best() ? "best" : "", .style = Style::kGood}});
  }
  if (context.json || context.quiet) return kOk;
  if (checkpoints->empty()) {
    context.Note(absl::StrCat(job, options.filter.empty() ? " has no checkpoint yet" : " has no such checkpoint"));
  } else {
    context.out() << table.Render(context.console.width, context.color());
  }
  return kOk;
}

void AddCheckpointCommands(CLI::App& app, Context& context) {
  CLI::App& checkpoint = *app.add_subcommand("checkpoint", "What a job has saved: list, get, delete");
  checkpoint.require_subcommand(1);
  checkpoint.footer("Examples:\n  trainctl checkpoint list cnn\n  trainctl model download cnn/best");
  {
    CLI::App& command = *checkpoint.add_subcommand("list", "List the checkpoints of a job, oldest first");
    command.footer(
        "Examples:\n"
        "  trainctl checkpoint list cnn\n"
        "  trainctl checkpoint list cnn --filter 'evaluation_accuracy > 0.9' --sort evaluation_loss");
    auto job = std::make_shared<std::string>();
    auto flags = std::make_shared<ListFlags>();
    command.add_option("JOB", *job, "Job whose checkpoints to list")->required();
    AddListFlags(command, *flags,
                 {.fields = "step, best, size_bytes, evaluation_loss, evaluation_accuracy, create_time"});
    command.callback([&context, job, flags] {
      context.action = [&context, job, flags] {
        return ListCheckpoints(context, JobName(*job), ToListOptions(*flags));
      };
    });
  }
  const auto add = [&](const char* verb, const char* help, const char* footer,
                       int (*run)(const Context&, const std::string&)) {
    AddVerb(checkpoint, context, {verb, help, footer, "CHECKPOINT", WeightsName, run});
  };
  add("get", "Show one checkpoint: its step, size and evaluation",
      "Examples:\n  trainctl checkpoint get cnn/best\n  trainctl checkpoint get jobs/cnn/checkpoints/400",
      GetCheckpoint);
  add("delete", "Remove checkpoints", "Example:\n  trainctl checkpoint delete cnn/400 cnn/800", DeleteCheckpoint);
}

}  // namespace traind::client
