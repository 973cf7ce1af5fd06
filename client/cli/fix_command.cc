// `trainctl fix`.
#include <fstream>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/finding_view.h"
#include "client/cli/flags.h"
#include "client/cli/styled.h"
#include "client/cli/text.h"
#include "client/cli/trial.h"
#include "client/enum_names.h"
#include "client/fix.h"
#include "client/names.h"
#include "client/parse_text.h"

namespace traind::client {
namespace {

constexpr size_t kMostChanges = 12;  // Of a fix, that are told one by one.

struct FixOptions {
  std::string job;
  std::string finding;
  std::string output;
  bool verify = false;
  std::optional<uint64_t> steps;
  std::string apply;
  bool remove = false;
};

void PrintFix(const Context& context, const FoundFault& fault) {
  const std::vector<FieldChange> changes = ChangesBetween(fault.job.spec(), fault.fixed_spec);
  if (context.json) {
    nlohmann::json json = {{"job", fault.job.name()},
                           {"finding", fault.finding.id()},
                           {"words", fault.finding.fix().words()},
                           {"changes", nlohmann::json::array()}};
    for (const FieldChange& change : changes) {
      json["changes"].push_back({{"path", change.path}, {"before", change.before}, {"after", change.after}});
    }
    context.out() << json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
    return;
  }
  if (context.quiet) return;
  context.out() << StyledLine()
                       .Add(Printable(DescribeFinding(fault.finding)), SeverityStyle(fault.finding))
                       .Render(10000, context.color())
                << "\n";
  for (size_t i = 0; i < changes.size() && i < kMostChanges; ++i) {
    const auto shown = [](const std::string& value) {
      return value.empty() ? std::string("(not set)") : Clip(Printable(value), 160);
    };
    context.out() << StyledLine()
                         .Add("  " + Printable(changes[i].path), Style::kBold)
                         .Add(absl::StrCat(": ", shown(changes[i].before), " -> ", shown(changes[i].after)))
                         .Render(10000, context.color())
                  << "\n";
  }
  if (changes.size() > kMostChanges) {
    context.out() << "  and " << changes.size() - kMostChanges << " more; --json has all\n";
  }
  if (changes.empty()) context.out() << "  the job file has all of this already\n";
}

// The job file with the fix; "-" is the standard output.
int WriteJobFile(const Context& context, const v1::JobSpec& spec, const std::string& path) {
  const std::string text = PrintText(spec);
  if (path == "-") {
    context.out() << text;
    return kOk;
  }
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  file.close();
  if (!file) return context.Fail(absl::InvalidArgumentError(absl::StrCat("--output: ", path, " cannot be written")));
  context.Note(absl::StrCat(path, " has the job file with the fix"));
  return kOk;
}

// What becomes of the two jobs, which are PAUSED or have ended.
int Settle(const Context& context, Client& client, const FixOptions& options, const TrialOutcome& outcome) {
  const std::string fixed = outcome.fixed.job, control = outcome.control.job;
  const bool goes_on = !options.apply.empty() && outcome.verdict.helps;
  const auto end = [&](const std::string& job) -> absl::Status {
    return options.remove ? client.DeleteJob(job) : EndTrialJob(client, job);
  };
  if (absl::Status status = end(control); !status.ok()) return context.Fail(status);
  if (goes_on) {
    if (outcome.fixed.state == v1::JOB_STATE_SUCCEEDED) return kOk;
    const absl::StatusOr<v1::Job> job = client.ResumeJob(fixed);
    if (!job.ok()) return context.Fail(job.status());
    context.Note(absl::StrCat(fixed, " goes on\n  trainctl watch ", ShortName(fixed), "   see it train"));
    return kOk;
  }
  if (!options.apply.empty()) context.Note(absl::StrCat(fixed, " does not go on: the fix does not help"));
  if (!outcome.verdict.helps || options.remove) {
    if (absl::Status status = end(fixed); !status.ok()) return context.Fail(status);
  } else if (outcome.fixed.state != v1::JOB_STATE_SUCCEEDED) {
    context.Note(absl::StrCat("  trainctl resume ", ShortName(fixed), "   lets the job with the fix go on to its end"));
  }
  return outcome.verdict.helps ? kOk : kFailed;
}

int Verify(const Context& context, Client& client, const FoundFault& fault, const TrialPlan& plan,
           const FixOptions& options) {
  SayPlan(context, plan);
  int code = kOk;
  const std::optional<TrialOutcome> outcome = RunTrial(context, client, plan, fault.finding.id(), code);
  if (!outcome) return code;
  if (context.json) {
    context.out() << TrialJson(fault, plan, *outcome) << "\n";
  } else if (context.quiet) {
    context.out() << ShortName(outcome->fixed.job) << "\n";
  } else {
    context.out() << "\n" << RenderTrial(*outcome, context.console.width, context.color());
  }
  return Settle(context, client, options, *outcome);
}

// The job with the fix, unproven.
int Apply(const Context& context, Client& client, const FoundFault& fault, const TrialPlan& plan) {
  const absl::StatusOr<v1::Job> job = StartFixed(client, fault, plan);
  if (!job.ok()) return context.Fail(job.status());
  context.Warnings(job->warnings());
  if (context.json) {
    context.PrintJson(*job);
  } else if (context.quiet) {
    context.out() << ShortName(job->name()) << "\n";
  } else {
    context.out() << job->name() << " " << EnumName(job->state()) << ", from "
                  << (plan.checkpoint.empty() ? "the beginning" : plan.checkpoint) << " (" << plan.why << ")\n";
    context.Note("the fix was not tried before; --verify does that");
  }
  return kOk;
}

// As Context::Fail, but that what was found out here has the codes that a server's answer has: kFailed is the answer
// "it does not help".
int Refuse(const Context& context, const absl::Status& status) {
  const int code = context.Fail(status);
  if (code != kFailed) return code;
  return absl::IsNotFound(status)             ? kNotFound
         : absl::IsFailedPrecondition(status) ? kRefused
         : absl::IsInvalidArgument(status)    ? kUsage
                                              : kFailed;
}

int FixCommand(const Context& context, const FixOptions& options) {
  Client client = context.MakeClient();
  const absl::StatusOr<FoundFault> fault = FindFault(client, JobName(options.job), options.finding);
  if (!fault.ok()) return Refuse(context, fault.status());
  const bool acts = options.verify || !options.apply.empty();
  if (!(acts && context.json) && options.output != "-") PrintFix(context, *fault);
  if (!options.output.empty()) {
    if (const int code = WriteJobFile(context, fault->fixed_spec, options.output); code != kOk) return code;
  }
  if (!acts) {
    context.Note(absl::StrCat("  trainctl fix ", ShortName(fault->job.name()), " ", fault->finding.id(),
                              " --verify   try it, beside the same without it"));
    return kOk;
  }
  const absl::StatusOr<TrialPlan> plan =
      PlanTrial(client, *fault, {.steps = options.steps, .fixed_id = options.apply, .base = ""});
  if (!plan.ok()) return Refuse(context, plan.status());
  return options.verify ? Verify(context, client, *fault, *plan, options) : Apply(context, client, *fault, *plan);
}

}  // namespace

void AddFixCommand(CLI::App& app, Context& context) {
  CLI::App& command =
      *app.add_subcommand("fix", "What helps against a finding, as a change of the job file; and whether it does");
  command.footer(
      "Examples:\n"
      "  trainctl fix cnn dead_relu/hidden                     the change, field by field\n"
      "  trainctl fix cnn dead_relu/hidden -o fixed.textproto  the job file with it\n"
      "  trainctl fix cnn dead_relu/hidden --verify            two jobs, with it and without: does it help?\n"
      "  trainctl fix cnn dead_relu/hidden --verify --apply cnn-2   when it does, cnn-2 goes on to its end\n"
      "The two begin with the newest checkpoint before the finding, or from the beginning where the fix only counts\n"
      "there; same seed, same steps. They are compared over the last quarter of these. The exit code is 0 when the "
      "fix\n"
      "helps, 1 when it does not, 7 after Ctrl-C, which cancels both.");
  auto options = std::make_shared<FixOptions>();
  command.add_option("JOB", options->job, "Job that has the finding")->required();
  command.add_option("FINDING", options->finding, "Its id, as `trainctl findings JOB` prints it")->required();
  command.add_option("-o,--output", options->output, "Write the job file with the fix; - is the standard output")
      ->type_name("FILE");
  CLI::Option* verify =
      command.add_flag("--verify", options->verify, "Run a job with the fix and one without it, and compare");
  command
      .add_option("--steps", options->steps,
                  "Of --verify: steps of each job; default: as many as it took the finding to come and a tenth more, "
                  "at least 100, at most a fifth of the job")
      ->type_name("K")
      ->needs(verify);
  command
      .add_option("--apply", options->apply, "Start the job with the fix under this name; with --verify if it helps")
      ->type_name("NAME");
  command.add_flag("--delete", options->remove, "Of --verify: delete the two jobs at the end, but for that of --apply")
      ->needs(verify);
  command.callback(
      [&context, options] { context.action = [&context, options] { return FixCommand(context, *options); }; });
}

}  // namespace traind::client
