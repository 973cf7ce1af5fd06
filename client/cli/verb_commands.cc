// What steers jobs that there are: pause, resume, stop, extend, cancel, delete, update, label.
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/flags.h"
#include "client/cli/job_view.h"
#include "client/cli/label_command.h"
#include "client/cli/text.h"
#include "client/enum_names.h"
#include "client/names.h"

namespace traind::client {
namespace {

bool IsOperation(absl::string_view name) { return absl::StartsWith(name, "operations/"); }

// What was typed may name an operation, too.
std::string JobOrOperationName(absl::string_view text) { return IsOperation(text) ? std::string(text) : JobName(text); }

// The state that a job is in now.
int PrintState(const Context& context, const absl::StatusOr<v1::Job>& job) {
  if (!job.ok()) return context.Fail(job.status());
  if (context.json) {
    context.PrintJson(*job);
  } else if (!context.quiet) {
    context.out() << job->name() << " " << EnumName(job->state()) << "\n";
  }
  return kOk;
}

int Pause(const Context& context, const std::string& name) {
  return PrintState(context, context.MakeClient().PauseJob(name));
}

int Resume(const Context& context, const std::string& name) {
  return PrintState(context, context.MakeClient().ResumeJob(name));
}

int Stop(const Context& context, const std::string& name) {
  return PrintState(context, context.MakeClient().StopJob(name));
}

int Cancel(const Context& context, const std::string& name) {
  if (IsOperation(name)) return CancelOperation(context, name);
  return PrintState(context, context.MakeClient().CancelJob(name));
}

int DeleteJob(const Context& context, const std::string& name) {
  if (IsOperation(name)) return DeleteOperation(context, name);
  if (absl::Status status = context.MakeClient().DeleteJob(name); !status.ok()) return context.Fail(status);
  context.Note(absl::StrCat(name, " deleted"));
  return kOk;
}

struct ExtendOptions {
  std::vector<std::string> names;
  std::optional<uint32_t> epochs;
  std::optional<uint64_t> steps;
  bool dry_run = false;
};

// Says what to beware of before anything happens.
int Extend(const Context& context, const std::string& name, const ExtendOptions& options) {
  Client client = context.MakeClient();
  v1::ExtendJobRequest request;
  request.set_name(name);
  if (options.epochs) request.set_epochs(*options.epochs);
  if (options.steps) request.set_steps(*options.steps);
  request.set_validate_only(true);
  absl::StatusOr<v1::Job> job = client.ExtendJob(request);
  if (!job.ok()) return context.Fail(job.status());
  context.Warnings(job->warnings());
  if (!options.dry_run) {
    request.set_validate_only(false);
    return PrintState(context, client.ExtendJob(request));
  }
  if (context.json) {
    context.PrintJson(*job);
  } else if (!context.quiet) {
    context.out() << name << " would train from step " << job->progress().step() << " to step "
                  << job->progress().total_steps() << "\n";
  }
  return kOk;
}

void AddExtend(CLI::App& app, Context& context) {
  CLI::App& command = *app.add_subcommand("extend", "Give jobs that SUCCEEDED more to train");
  command.footer(
      "Examples:\n"
      "  trainctl extend cnn --epochs 10             ten epochs in all\n"
      "  trainctl extend cnn --steps 5000 --dry-run  only say what to beware of\n"
      "The weights are then those of one longer job, bit for bit, unless a learning rate schedule spans the whole "
      "job:\n"
      "a warning says so.");
  auto options = std::make_shared<ExtendOptions>();
  command.add_option("JOB", options->names, "One or more names")->required();
  CLI::Option_group& duration = *command.add_option_group("How long to train in all, counted from the beginning");
  duration.add_option("--epochs", options->epochs, "Epochs in all")->type_name("N");
  duration.add_option("--steps", options->steps, "Steps in all")->type_name("N");
  duration.require_option(1);
  command.add_flag("--dry-run", options->dry_run, "Change nothing: only say what would be");
  command.callback([&context, options] {
    context.action = [&context, options] {
      return ForEach(options->names, [&](const std::string& name) { return Extend(context, JobName(name), *options); });
    };
  });
}

struct UpdateOptions {
  std::vector<std::string> names;
  std::optional<int32_t> priority;
  std::optional<std::string> display_name;
};

int Update(const Context& context, const std::string& name, const UpdateOptions& options) {
  v1::UpdateJobRequest request;
  request.mutable_job()->set_name(name);
  if (options.priority) {
    request.mutable_job()->set_priority(*options.priority);
    request.mutable_update_mask()->add_paths("priority");
  }
  if (options.display_name) {
    request.mutable_job()->set_display_name(*options.display_name);
    request.mutable_update_mask()->add_paths("display_name");
  }
  const absl::StatusOr<v1::Job> job = context.MakeClient().UpdateJob(request);
  if (!job.ok()) return context.Fail(job.status());
  if (context.json) {
    context.PrintJson(*job);
  } else if (!context.quiet) {
    context.out() << job->name() << " has priority " << job->priority();
    if (!DisplayName(*job).empty()) context.out() << ", " << Printable(DisplayName(*job));
    context.out() << "\n";
  }
  return kOk;
}

void AddUpdate(CLI::App& app, Context& context) {
  CLI::App& command = *app.add_subcommand("update", "Change the priority or the description of jobs");
  command.footer(
      "Examples:\n"
      "  trainctl update cnn --priority 5                       it starts before those with less\n"
      "  trainctl update cnn --display-name \"four layers, again\"\n"
      "`trainctl label` changes the labels.");
  auto options = std::make_shared<UpdateOptions>();
  command.add_option("JOB", options->names, "One or more names")->required();
  CLI::Option_group& what = *command.add_option_group("What to change");
  what.add_option("--priority", options->priority, "Higher starts first; equal ones in order of arrival")
      ->type_name("N");
  what.add_option("--display-name", options->display_name, "For people; empty removes it")->type_name("TEXT");
  what.require_option(1, 0);
  command.callback([&context, options] {
    context.action = [&context, options] {
      return ForEach(options->names, [&](const std::string& name) { return Update(context, JobName(name), *options); });
    };
  });
}

void AddJobLabel(CLI::App& app, Context& context) {
  CLI::App& command = *app.add_subcommand("label", "Set and remove labels of jobs");
  command.footer(
      "Examples:\n"
      "  trainctl label cnn team=vision stage=draft\n"
      "  trainctl label cnn resnet stage-           without the label\n"
      "  trainctl list --label team=vision\n"
      "Datasets and models have theirs: `trainctl dataset label`, `trainctl model label`.");
  AddLabelWords(command, context, "JOB", JobName, [&context](const std::string& name, const auto& changes) {
    Client client = context.MakeClient();
    return ShowLabels(context,
                      ChangeLabels<v1::Job>(
                          name, changes, [&](const std::string& of) { return client.GetJob(of, v1::JOB_VIEW_BASIC); },
                          [&](const v1::Job& changed) {
                            v1::UpdateJobRequest request;
                            *request.mutable_job() = changed;
                            request.mutable_update_mask()->add_paths("labels");
                            return client.UpdateJob(request);
                          }));
  });
}

}  // namespace

void AddVerbCommands(CLI::App& app, Context& context) {
  AddJobVerb(app, context,
             {"pause", "Free the threads and memory of jobs; they keep a checkpoint and their place in the queue",
              "Examples:\n  trainctl pause cnn\n  trainctl resume cnn", "JOB", JobName, Pause});
  AddJobVerb(
      app, context,
      {"resume", "Let jobs go on that are PAUSED, CANCELLED or FAILED, from their newest checkpoint",
       "Examples:\n  trainctl resume cnn\n  trainctl resume --filter 'state = PAUSED' --yes", "JOB", JobName, Resume});
  AddJobVerb(app, context,
             {"stop", "End jobs early and well: they evaluate, save a checkpoint and have SUCCEEDED",
              "Example:\n  trainctl stop cnn\n`cancel` ends a job without an evaluation, `pause` for a while.", "JOB",
              JobName, Stop});
  AddExtend(app, context);
  AddJobVerb(app, context,
             {"cancel", "End jobs and operations; a job leaves a checkpoint",
              "Examples:\n  trainctl cancel cnn\n  trainctl cancel cnn resnet\n  trainctl cancel operations/3f2a\n"
              "  trainctl cancel -l team=vision --yes",
              "JOB", JobOrOperationName, Cancel});
  AddJobVerb(app, context,
             {"delete", "Remove jobs that have ended or are PAUSED, with their events and checkpoints",
              "Examples:\n  trainctl delete cnn resnet\n"
              "  trainctl delete --filter 'state = FAILED AND create_time < 2026-01-31'          what it would remove\n"
              "  trainctl delete --filter 'state = FAILED AND create_time < 2026-01-31' --yes    removes it",
              "JOB", JobOrOperationName, DeleteJob})
      .alias("rm");
  AddUpdate(app, context);
  AddJobLabel(app, context);
}

}  // namespace traind::client
