
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/commands.h"
#include "client/cli/job_view.h"
#include "client/cli/styled.h"
#include "client/cli/text.h"
#include "client/cli/watch.h"
#include "client/enum_names.h"
#include "client/names.h"
#include "client/parse_text.h"
#include "client/suggest.h"

namespace traind::client {
namespace {

struct SubmitOptions {
  std::string file;
  std::string job_id;
  std::vector<std::string> assignments;
  bool validate_only = false;
};

constexpr char kJobFileHelp[] =
    "A job file is a traind.v1.JobSpec in protobuf text format:\n"
    "  network {\n"
    "    layers { name: \"hidden\" dense { units: 100 } activation { relu {} } }\n"
    "    layers { name: \"logits\" dense { units: 10 } }\n"
    "  }\n"
    "  data { dataset: \"fashion\" preprocessing { scale {} } }\n"
    "  optimizer { sgd { momentum: 0.9 } learning_rate: 0.05 }\n"
    "  epochs: 5\n";

// An option that takes names of an enum's values in lower or upper case, separated by commas. The first value, which is
// UNSPECIFIED, has no name here.
void AddEnums(CLI::App& command, const std::string& option, std::vector<int>& values,
              const google::protobuf::EnumDescriptor& descriptor, const std::string& type, const std::string& help) {
  std::vector<std::string> names;
  for (int i = 1; i < descriptor.value_count(); ++i) {
    names.push_back(absl::AsciiStrToLower(EnumName(*descriptor.value(i))));
  }
  const auto to_number = [names, &descriptor](std::string& word) {
    const auto* value = FindEnumValue(descriptor, absl::AsciiStrToUpper(word));
    if (value == nullptr || value->index() == 0) return absl::StrCat("\"", word, "\"; ", Known("values", word, names));
    word = absl::StrCat(value->number());
    return std::string();
  };
  command.add_option(option, values, absl::StrCat(help, absl::StrJoin(names, ", ")))
      ->delimiter(',')
      ->transform(CLI::Validator(to_number, ""))
      ->type_name(type);
}

void DeclareSubmit(CLI::App& command, SubmitOptions& options) {
  command.add_option("FILE", options.file, "Job file; - reads the standard input")->required();
  command.add_option("--job-id", options.job_id, "Name of the job: a-z, 0-9 and -; default: the server makes one up");
  AddSet(command, options.assignments);
}

// Creates the job, or checks it. `job` is set when the code is kOk.
int Submit(const Context& context, const SubmitOptions& options, v1::Job* job) {
  const absl::StatusOr<JobFile> file = ReadJobFile(options.file, options.assignments);
  if (!file.ok()) {
    context.Fail(file.status());
    return kUsage;
  }
  if (file->is_network()) {
    context.Fail(absl::InvalidArgumentError(absl::StrCat(
        options.file, " is a network alone; a job file has it inside `network { ... }`, beside `data { ... }`")));
    return kUsage;
  }
  v1::CreateJobRequest request;
  *request.mutable_spec() = file->spec();
  request.set_job_id(options.job_id);
  request.set_validate_only(options.validate_only);
  absl::StatusOr<v1::Job> created = context.MakeClient().CreateJob(request);
  if (!created.ok()) return context.Fail(created.status(), &*file);
  *job = *std::move(created);
  context.Warnings(job->warnings());
  return kOk;
}

int SubmitCommand(const Context& context, const SubmitOptions& options) {
  v1::Job job;
  if (const int code = Submit(context, options, &job); code != kOk) return code;
  if (context.json) {
    context.PrintJson(job);
  } else if (options.validate_only) {
    context.out() << options.file << " is valid: " << job.threads() << " threads, at most "
                  << FormatBytes(job.memory_bound_bytes()) << "\n";
  } else if (context.quiet) {
    context.out() << ShortName(job.name()) << "\n";
  } else {
    context.out() << job.name() << " " << EnumName(job.state()) << "\n";
    context.Note(absl::StrCat("  trainctl watch ", ShortName(job.name()), "   see it train"));
  }
  return kOk;
}

int RunCommand(const Context& context, const SubmitOptions& options, const WatchOptions& watch) {
  v1::Job job;
  if (const int code = Submit(context, options, &job); code != kOk) return code;
  context.Note(absl::StrCat(job.name(), " submitted; Ctrl-C detaches"));
  return WatchJob(context, job.name(), watch);
}

int ListCommand(const Context& context, const std::vector<int>& states) {
  std::vector<v1::JobState> filter;
  for (const int state : states) filter.push_back(static_cast<v1::JobState>(state));
  const absl::StatusOr<std::vector<v1::Job>> jobs = context.MakeClient().ListJobs(filter);
  if (!jobs.ok()) return context.Fail(jobs.status());
  Table table({{.title = "job"},
               {.title = "state"},
               {.title = "step", .right = true},
               {.title = "loss", .right = true},
               {.title = "accuracy", .right = true, .rank = 1},
               {.title = "created", .rank = 2},
               {.title = "took", .right = true, .rank = 3},
               {.title = "description", .rank = 4}});
  for (const v1::Job& job : *jobs) {
    if (context.json) context.PrintJson(job);
    if (context.quiet && !context.json) context.out() << ShortName(job.name()) << "\n";
    const v1::JobProgress& progress = job.progress();
    const JobView view(job);
    table.Add({{.text = ShortName(job.name()), .style = Style::kBold},
               {.text = EnumName(job.state())},
               {.text = absl::StrCat(progress.step(), "/", progress.total_steps())},
               {.text = progress.step() > 0 ? FormatNumber(progress.loss()) : "-"},
               {.text = progress.has_evaluation_accuracy() ? FormatPercent(progress.evaluation_accuracy()) : "-"},
               {.text = absl::FormatTime("%Y-%m-%d %H:%M", ToTime(job.create_time()), absl::LocalTimeZone())},
               {.text = job.has_start_time() && job.has_end_time() ? FormatElapsed(view.Elapsed(absl::Now())) : "-"},
               {.text = Printable(job.spec().display_name())}});
  }
  if (context.json || context.quiet) return kOk;
  if (jobs->empty()) {
    context.Note("no jobs; `trainctl run FILE` makes one");
  } else {
    context.out() << table.Render(context.console.width, context.color());
  }
  return kOk;
}

void PrintJob(const Context& context, const v1::Job& job) {
  const JobView view(job);
  const auto say = [&](absl::string_view key, absl::string_view value) {
    context.out()
        << StyledLine().Add(PadRight(key, 14), Style::kDim).Add(Printable(value)).Render(10000, context.color())
        << "\n";
  };
  const v1::JobProgress& progress = job.progress();
  say("name", job.name());
  if (!job.spec().display_name().empty()) say("description", job.spec().display_name());
  say("state", EnumName(job.state()));
  if (job.has_error()) say("error", job.error().message());
  for (const std::string& line : job.error().last_log_lines()) say("", "| " + line);
  say("progress", absl::StrCat("step ", progress.step(), " of ", progress.total_steps(), ", ",
                               progress.steps_per_epoch(), " steps per epoch"));
  if (progress.step() > 0) say("training loss", FormatNumber(progress.loss()));
  if (progress.has_evaluation_loss()) {
    say("evaluation",
        absl::StrCat(
            "loss ", FormatNumber(progress.evaluation_loss()),
            progress.has_evaluation_accuracy() ? ", accuracy " + FormatPercent(progress.evaluation_accuracy()) : ""));
  }
  say("checkpoint", absl::StrCat("of step ", progress.checkpoint_step()));
  say("dataset", job.spec().data().dataset());
  say("resources", absl::StrCat(job.threads(), " threads, at most ", FormatBytes(job.memory_bound_bytes())));
  say("workers", absl::StrCat(job.attempts(), " started, ", job.restarts(), " of them after a crash"));
  say("created", absl::FormatTime("%Y-%m-%d %H:%M:%S", ToTime(job.create_time()), absl::LocalTimeZone()));
  if (job.has_start_time()) say("trained for", FormatElapsed(view.Elapsed(absl::Now())));
  for (const std::string& warning : job.warnings()) say("warning", warning);
}

int GetCommand(const Context& context, const std::string& name, bool spec) {
  const absl::StatusOr<v1::Job> job =
      context.MakeClient().GetJob(name, spec ? v1::JOB_VIEW_RESOLVED : v1::JOB_VIEW_UNSPECIFIED);
  if (!job.ok()) return context.Fail(job.status());
  if (spec) {
    const v1::JobSpec& resolved = job->has_resolved_spec() ? job->resolved_spec() : job->spec();
    if (context.json) {
      context.PrintJson(resolved);
      return kOk;
    }
    context.out() << PrintText(resolved);
  } else if (context.json) {
    context.PrintJson(*job);
  } else if (context.quiet) {
    context.out() << EnumName(job->state()) << "\n";
  } else {
    PrintJob(context, *job);
  }
  return kOk;
}

int CancelCommand(const Context& context, const std::string& name) {
  const absl::StatusOr<v1::Job> job = context.MakeClient().CancelJob(name);
  if (!job.ok()) return context.Fail(job.status());
  if (context.json) {
    context.PrintJson(*job);
  } else if (!context.quiet) {
    context.out() << job->name() << " " << EnumName(job->state()) << "\n";
  }
  return kOk;
}

int DeleteCommand(const Context& context, const std::string& name) {
  if (absl::Status status = context.MakeClient().DeleteJob(name); !status.ok()) return context.Fail(status);
  context.Note(absl::StrCat(name, " deleted"));
  return kOk;
}

void DeclareWatch(CLI::App& command, WatchOptions& options) {
  command.add_flag("--plain", options.plain, "Lines, as in a pipe, also on a terminal");
  command.add_flag("--linear", options.linear, "Histograms with linear instead of logarithmic heights");
}

void AddWatch(CLI::App& app, Context& context) {
  CLI::App& command = *app.add_subcommand("watch", "Watch a job train: the live view, or lines in a pipe");
  command.footer(
      "Examples:\n"
      "  trainctl watch cnn                              live view on a terminal\n"
      "  trainctl watch cnn | grep evaluation            one line for each event\n"
      "  trainctl watch cnn --json --kinds train         JSON lines, for a program\n"
      "  trainctl watch cnn --kinds statistics --layers conv1,conv2 --plain\n"
      "  trainctl watch cnn --snapshot > view.txt        the live view once, as text\n"
      "In the table, saturated is the share of outputs where the activation's derivative is under 1 %, dead counts "
      "the\n"
      "units that were zero for every example lately, update is the size of a step relative to the weights.");
  auto name = std::make_shared<std::string>();
  auto options = std::make_shared<WatchOptions>();
  auto kinds = std::make_shared<std::vector<int>>();
  command.add_option("JOB", *name, "Job to watch")->required();
  command.add_option("--after", options->after_sequence, "Only events after this sequence number")
      ->check(CLI::NonNegativeNumber);
  AddEnums(command, "--kinds", *kinds, *v1::EventKind_descriptor(), "KIND,...",
           "Only events of these kinds, and changes of state: ");
  command.add_option("--layers", options->layers, "Statistics of these layers only")
      ->delimiter(',')
      ->type_name("LAYER,...");
  command.add_flag("--snapshot", options->snapshot, "Print the view as it is now and return");
  DeclareWatch(command, *options);
  command.callback([&context, name, options, kinds] {
    for (const int kind : *kinds) options->kinds.push_back(static_cast<v1::EventKind>(kind));
    context.action = [&context, name, options] { return WatchJob(context, FullName("jobs", *name), *options); };
  });
}

}  // namespace

void AddSet(CLI::App& command, std::vector<std::string>& assignments) {
  command
      .add_option("--set", assignments,
                  "Change a field of the file; can be repeated. PATH is made of the file's names, with [2] or [conv1]\n"
                  "for an element of a list and the next index to append one. VALUE is written as in the file; text\n"
                  "needs no quotes, a duration may be 90s, an empty value clears the field")
      ->type_name("PATH=VALUE")
      ->allow_extra_args(false);
}

void AddJobCommands(CLI::App& app, Context& context) {
  {
    CLI::App& command = *app.add_subcommand("run", "Submit a job and watch it; the exit code is 0 if it SUCCEEDED");
    command.footer(
        absl::StrCat("Examples:\n"
                     "  trainctl run job.textproto\n"
                     "  trainctl run job.textproto --job-id cnn --set epochs=1\n"
                     "  trainctl run job.textproto --set network.layers[conv1].conv2d.kernel=[5,5]\n"
                     "Ctrl-C detaches: the job goes on, `trainctl watch JOB` looks at it again.\n\n",
                     kJobFileHelp));
    auto options = std::make_shared<SubmitOptions>();
    auto watch = std::make_shared<WatchOptions>();
    DeclareSubmit(command, *options);
    DeclareWatch(command, *watch);
    command.callback([&context, options, watch] {
      context.action = [&context, options, watch] { return RunCommand(context, *options, *watch); };
    });
  }
  {
    CLI::App& command = *app.add_subcommand("submit", "Submit a job and return at once");
    command.footer(
        absl::StrCat("Examples:\n"
                     "  trainctl submit job.textproto\n"
                     "  trainctl submit job.textproto --validate-only\n"
                     "  trainctl submit job.textproto --set optimizer.learning_rate=0.1 --set steps=100\n"
                     "  trainctl submit - --set optimizer.adam={} < job.textproto\n\n",
                     kJobFileHelp));
    auto options = std::make_shared<SubmitOptions>();
    DeclareSubmit(command, *options);
    command.add_flag("--validate-only", options->validate_only, "Check everything, create nothing");
    command.callback(
        [&context, options] { context.action = [&context, options] { return SubmitCommand(context, *options); }; });
  }
  AddWatch(app, context);
  {
    CLI::App& command = *app.add_subcommand("list", "List the jobs, newest first");
    command.footer(
        "Examples:\n"
        "  trainctl list\n"
        "  trainctl list --state running,queued\n"
        "  trainctl list --json | jq -r 'select(.state == \"JOB_STATE_FAILED\") | .error.message'");
    auto states = std::make_shared<std::vector<int>>();
    AddEnums(command, "--state", *states, *v1::JobState_descriptor(), "STATE,...", "Only jobs in these states: ");
    command.callback(
        [&context, states] { context.action = [&context, states] { return ListCommand(context, *states); }; });
  }
  {
    CLI::App& command = *app.add_subcommand("get", "Show one job");
    command.footer(
        "Examples:\n"
        "  trainctl get cnn\n"
        "  trainctl get cnn --spec > again.textproto    every default filled in; can be submitted again");
    auto name = std::make_shared<std::string>();
    auto spec = std::make_shared<bool>(false);
    command.add_option("JOB", *name, "Job to show")->required();
    command.add_flag("--spec", *spec, "Print the job file with every default filled in");
    command.callback([&context, name, spec] {
      context.action = [&context, name, spec] { return GetCommand(context, FullName("jobs", *name), *spec); };
    });
  }
  const auto add_simple = [&](const char* verb, const char* help, const char* footer,
                              int (*run)(const Context&, const std::string&)) {
    CLI::App& command = *app.add_subcommand(verb, help);
    command.footer(footer);
    auto name = std::make_shared<std::string>();
    command.add_option("JOB", *name, "Name of the job")->required();
    command.callback([&context, name, run] {
      context.action = [&context, name, run] { return run(context, FullName("jobs", *name)); };
    });
  };
  add_simple("cancel", "Stop a job; it leaves a checkpoint", "Example:\n  trainctl cancel cnn", CancelCommand);
  add_simple("delete", "Remove a job that has ended, with its events and checkpoints",
             "Example:\n  trainctl delete cnn", DeleteCommand);
}

}  // namespace traind::client
