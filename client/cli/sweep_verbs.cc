// What steers sweeps that there are: pause, resume, stop, cancel, delete, rerun, label.
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/flags.h"
#include "client/cli/label_command.h"
#include "client/enum_names.h"
#include "client/names.h"

namespace traind::client {
namespace {

// What a verb has made of the sweep.
int PrintSweepState(const Context& context, const absl::StatusOr<v1::Sweep>& sweep) {
  if (!sweep.ok()) return context.Fail(sweep.status());
  if (context.json) {
    context.PrintJson(*sweep);
  } else if (!context.quiet) {
    context.out() << sweep->name() << " " << EnumName(sweep->state()) << "\n";
  }
  return kOk;
}

int PauseSweepCommand(const Context& context, const std::string& name) {
  return PrintSweepState(context, context.MakeClient().PauseSweep(name));
}

int ResumeSweepCommand(const Context& context, const std::string& name) {
  return PrintSweepState(context, context.MakeClient().ResumeSweep(name));
}

int StopSweepCommand(const Context& context, const std::string& name) {
  return PrintSweepState(context, context.MakeClient().StopSweep(name));
}

int CancelSweepCommand(const Context& context, const std::string& name) {
  return PrintSweepState(context, context.MakeClient().CancelSweep(name));
}

int RerunCommand(const Context& context, const std::string& name) {
  if (!absl::StrContains(name, "/trials/")) {
    context.err() << "error: " << name << " is a sweep; name its trial: " << ShortName(name) << "/3\n";
    return kUsage;
  }
  const absl::StatusOr<v1::Trial> trial = context.MakeClient().RerunTrial(name);
  if (!trial.ok()) return context.Fail(trial.status());
  if (context.json) {
    context.PrintJson(*trial);
  } else if (!context.quiet) {
    context.out() << trial->name() << " " << EnumName(trial->state()) << "\n";
  }
  return kOk;
}

void AddSweepDelete(CLI::App& sweep, Context& context) {
  CLI::App& command = *sweep.add_subcommand("delete", "Remove sweeps that have ended; their jobs stay")->alias("rm");
  command.footer("Examples:\n  trainctl sweep delete widths\n  trainctl sweep delete widths --jobs   with its jobs");
  auto names = std::make_shared<std::vector<std::string>>();
  auto jobs = std::make_shared<bool>(false);
  command.add_option("SWEEP", *names, "One or more names")->required();
  command.add_flag("--jobs", *jobs, "The trials' jobs, too, with their checkpoints; but those that are pinned");
  command.callback([&context, names, jobs] {
    context.action = [&context, names, jobs] {
      return ForEach(*names, [&](const std::string& one) {
        const std::string name = SweepName(one);
        if (const absl::Status status = context.MakeClient().DeleteSweep(name, *jobs); !status.ok()) {
          return context.Fail(status);
        }
        context.Note(absl::StrCat(name, *jobs ? " and its jobs deleted" : " deleted; its jobs stay"));
        return static_cast<int>(kOk);
      });
    };
  });
}

}  // namespace

void AddSweepVerbs(CLI::App& sweep, Context& context) {
  AddVerb(sweep, context,
          {"pause", "Let no trial of sweeps start or go on; those under way train on to where they end",
           "Examples:\n  trainctl sweep pause widths\n  trainctl sweep resume widths", "SWEEP", SweepName,
           PauseSweepCommand});
  AddVerb(sweep, context,
          {"resume", "Let paused sweeps go on", "Example:\n  trainctl sweep resume widths", "SWEEP", SweepName,
           ResumeSweepCommand});
  AddVerb(sweep, context,
          {"stop", "End sweeps early and well: trials under way are stopped with what they have learned",
           "Example:\n  trainctl sweep stop widths", "SWEEP", SweepName, StopSweepCommand});
  AddVerb(sweep, context,
          {"cancel", "End sweeps and cancel the jobs of their trials", "Example:\n  trainctl sweep cancel widths",
           "SWEEP", SweepName, CancelSweepCommand});
  AddSweepDelete(sweep, context);
  AddVerb(sweep, context,
          {"rerun", "Try FAILED or CANCELLED trials again, from their newest checkpoint",
           "Example:\n  trainctl sweep rerun widths/3 widths/7", "TRIAL", TrialName, RerunCommand});
  CLI::App& label = *sweep.add_subcommand("label", "Set and remove labels of sweeps");
  label.footer("Example:\n  trainctl sweep label widths team=vision stage-");
  AddLabelWords(
      label, context, "SWEEP", SweepName, [&context](const std::string& name, const std::vector<LabelChange>& changes) {
        Client client = context.MakeClient();
        return PrintSweepState(context, ChangeLabels<v1::Sweep>(
                                            name, changes, [&](const std::string& of) { return client.GetSweep(of); },
                                            [&](const v1::Sweep& changed) {
                                              v1::UpdateSweepRequest request;
                                              *request.mutable_sweep() = changed;
                                              request.mutable_update_mask()->add_paths("labels");
                                              return client.UpdateSweep(request);
                                            }));
      });
}

}  // namespace traind::client
