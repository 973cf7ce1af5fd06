// `trainctl watch`, `list` and `get`.
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "client/cli/commands.h"
#include "client/cli/flags.h"
#include "client/cli/job_view.h"
#include "client/cli/labels.h"
#include "client/cli/styled.h"
#include "client/cli/terminal.h"
#include "client/cli/text.h"
#include "client/cli/watch.h"
#include "client/enum_names.h"
#include "client/names.h"
#include "client/parse_text.h"
#include "client/parse_yaml.h"
#include "client/suggest.h"

namespace traind::client {
namespace {

// An option that takes names of an enum's values in lower or upper case, separated by commas. The first value, which is
// UNSPECIFIED, has no name here.
void AddEnums(CLI::App& command, Context& context, const std::string& option, std::vector<int>& values,
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
  const CLI::Option* added = command.add_option(option, values, absl::StrCat(help, absl::StrJoin(names, ", ")))
                                 ->delimiter(',')
                                 ->transform(CLI::Validator(to_number, ""))
                                 ->type_name(type);
  context.option_values[added] = names;
}

// "state = RUNNING OR state = QUEUED"; empty for no states.
std::string StateCondition(const std::vector<int>& states) {
  std::vector<std::string> wanted;
  for (const int state : states) wanted.push_back("state = " + EnumName(static_cast<v1::JobState>(state)));
  const std::string condition = absl::StrJoin(wanted, " OR ");
  return wanted.size() > 1 ? absl::StrCat("(", condition, ")") : condition;
}

// Why the job is where it is, in one line.
std::string Why(const v1::Job& job) {
  if (job.has_error()) return Printable(job.error().message());
  if (job.state() == v1::JOB_STATE_QUEUED || job.has_queue()) return Printable(DescribeQueue(job.queue()));
  const bool tells = job.state() != v1::JOB_STATE_RUNNING && job.state() != v1::JOB_STATE_SUCCEEDED;
  return tells ? Printable(job.state_reason()) : "";
}

Table JobTable(const std::vector<v1::Job>& jobs) {
  Table table({{.title = "job"},
               {.title = "state"},
               {.title = "step", .right = true},
               {.title = "loss", .right = true},
               {.title = "accuracy", .right = true, .rank = 1},
               {.title = "priority", .right = true, .rank = 2, .optional = true},
               {.title = "owner", .rank = 2, .optional = true},
               {.title = "created", .rank = 3},
               {.title = "took", .right = true, .rank = 4},
               {.title = "labels", .rank = 5, .optional = true},
               {.title = "description", .rank = 6},
               {.title = "", .rank = 7, .optional = true}});
  for (const v1::Job& job : jobs) {
    const v1::JobProgress& progress = job.progress();
    table.Add(
        {{.text = ShortName(job.name()), .style = Style::kBold},
         {.text = EnumName(job.state()), .style = StateStyle(job.state())},
         {.text = absl::StrCat(progress.step(), "/", progress.total_steps())},
         {.text = progress.step() > 0 ? FormatNumber(progress.has_mean_loss() ? progress.mean_loss() : progress.loss())
                                      : "-"},
         {.text = progress.has_evaluation_accuracy() ? FormatPercent(progress.evaluation_accuracy()) : "-"},
         {.text = job.priority() != 0 ? absl::StrCat(job.priority()) : ""},
         {.text = Printable(job.owner())},
         {.text = FormatMinute(job.create_time())},
         {.text = job.has_start_time() ? FormatElapsed(JobView(job).Elapsed(absl::Now())) : "-"},
         {.text = Printable(FormatLabels(job.labels())), .style = Style::kDim},
         {.text = Printable(DisplayName(job))},
         {.text = Why(job), .style = Style::kDim}});
  }
  return table;
}

std::string FirstLines(const std::string& text, int lines) {
  size_t end = 0;
  for (int i = 0; i < lines && end < text.size(); ++i) end = std::min(text.find('\n', end), text.size() - 1) + 1;
  return text.substr(0, end);
}

int ListCommand(const Context& context, const ListOptions& options) {
  const absl::StatusOr<std::vector<v1::Job>> jobs = context.MakeClient().ListJobs(options);
  if (!jobs.ok()) return context.Fail(jobs.status());
  NoteUnreachable(context, options);
  for (const v1::Job& job : *jobs) {
    if (context.json) {
      context.PrintJson(job);
    } else if (context.quiet) {
      context.out() << ShortName(job.name()) << "\n";
    }
  }
  if (context.json || context.quiet) return kOk;
  if (!jobs->empty()) {
    context.out() << JobTable(*jobs).Render(context.console.width, context.color());
  } else {
    context.Note(options.filter.empty() ? "no jobs; `trainctl run FILE` makes one" : "no such jobs");
  }
  return kOk;
}

// The list again and again, until Ctrl-C.
int WatchList(const Context& context, const ListOptions& options) {
  constexpr absl::Duration kBetween = absl::Seconds(2);
  if (!context.console.out_is_terminal || context.json || context.quiet) {
    context.err() << "error: --watch draws on a terminal; for a program there is `trainctl watch JOB --json`\n";
    return kUsage;
  }
  Client client = context.MakeClient();
  const Signals signals;
  LiveScreen screen(context.out());
  for (absl::Time next = absl::Now(); !signals.interrupted(); absl::SleepFor(kFrameTime)) {
    if (absl::Now() < next) continue;
    const absl::StatusOr<std::vector<v1::Job>> jobs = client.ListJobs(options);
    if (!jobs.ok()) return context.Fail(jobs.status());
    const TerminalSize size = GetTerminalSize(STDOUT_FILENO);
    const std::string table = jobs->empty() ? "no jobs\n" : JobTable(*jobs).Render(size.width, context.color());
    screen.Draw(FirstLines(table, size.height - 1));
    next = absl::Now() + kBetween;
  }
  return kOk;
}

void SayQueue(const Context& context, const v1::QueueStatus& queue) {
  if (queue.place() > 0) context.Say("queue", absl::StrCat("place ", queue.place()));
  if (!queue.reason().empty()) context.Say("waits for", queue.reason());
  if (queue.blocked_by_size() > 0) context.Say("behind", absl::StrJoin(queue.blocked_by(), ", "));
}

void SayProgress(const Context& context, const v1::JobProgress& progress) {
  context.Say("progress", absl::StrCat("step ", progress.step(), " of ", progress.total_steps(), ", ",
                                       progress.steps_per_epoch(), " steps per epoch"));
  if (progress.has_remaining()) context.Say("left", FormatElapsed(ToDuration(progress.remaining())));
  if (progress.step() > 0) {
    context.Say("training loss", FormatNumber(progress.has_mean_loss() ? progress.mean_loss() : progress.loss()));
  }
  if (progress.has_evaluation_loss()) {
    context.Say("evaluation", absl::StrCat("loss ", FormatNumber(progress.evaluation_loss()),
                                           progress.has_evaluation_accuracy()
                                               ? ", accuracy " + FormatPercent(progress.evaluation_accuracy())
                                               : ""));
  }
  if (progress.has_best()) {
    context.Say("best", absl::StrCat(progress.best().metric(), " ", FormatNumber(progress.best().value()), ", of step ",
                                     progress.best().step()));
  }
  if (progress.has_test_loss()) {
    context.Say(
        "TEST",
        absl::StrCat("loss ", FormatNumber(progress.test_loss()),
                     progress.has_test_accuracy() ? ", accuracy " + FormatPercent(progress.test_accuracy()) : ""));
  }
  context.Say("checkpoint", absl::StrCat("of step ", progress.checkpoint_step()));
}

void PrintJob(const Context& context, const v1::Job& job, bool verbose) {
  context.Say("name", job.name());
  if (!DisplayName(job).empty()) context.Say("description", DisplayName(job));
  const bool told = job.state_reason().empty() || absl::StrContains(job.error().message(), job.state_reason());
  context.Say("state", absl::StrCat(EnumName(job.state()), told ? "" : ": ", told ? "" : job.state_reason()));
  if (job.state() == v1::JOB_STATE_QUEUED) SayQueue(context, job.queue());
  if (job.has_error()) context.Say("error", job.error().message());
  for (const std::string& line : job.error().last_log_lines()) context.Say("", "| " + line);
  if (!job.owner().empty()) context.Say("owner", job.owner());
  if (job.sharing().public_()) context.Say("shared with", "everybody");
  if (!job.sharing().readers().empty()) context.Say("shared with", absl::StrJoin(job.sharing().readers(), ", "));
  if (!job.labels().empty()) context.Say("labels", FormatLabels(job.labels()));
  if (job.priority() != 0) context.Say("priority", absl::StrCat(job.priority()));
  SayProgress(context, job.progress());
  context.Say("dataset", job.dataset().empty() ? job.spec().data().dataset() : job.dataset());
  for (const v1::DatasetSplit& split : job.trained_on().splits()) {
    context.Say(" " + split.name(),
                absl::StrCat(FormatCount(static_cast<double>(split.num_examples())), " examples  ", split.checksum()));
  }
  if (!job.forked_from().empty()) context.Say("forked from", job.forked_from());
  context.Say("resources", absl::StrCat(job.threads(), " threads, at most ", FormatBytes(job.memory_bound_bytes())));
  context.Say("workers", absl::StrCat(job.attempts(), " started, ", job.restarts(), " of them after a crash"));
  context.Say("created", FormatSecond(job.create_time()));
  if (job.has_start_time()) context.Say("trained for", FormatElapsed(JobView(job).Elapsed(absl::Now())));
  for (const std::string& warning : job.warnings()) context.Say("warning", warning);
  if (!verbose) return;
  context.Say("uid", job.uid());
  context.Say("etag", job.etag());
  if (job.has_start_time()) context.Say("started", FormatSecond(job.start_time()));
  if (job.has_end_time()) context.Say("ended", FormatSecond(job.end_time()));
  context.Say("changed", FormatSecond(job.update_time()));
  context.Say("events", absl::StrCat(job.last_sequence()));
  if (!job.request_id().empty()) context.Say("request", job.request_id());
}

// The job file in text format, or in the `format` that is not empty; --json alone prints the message as the API does.
int GetSpec(const Context& context, const v1::Job& job, const std::string& format) {
  const v1::JobSpec& spec = job.has_resolved_spec() ? job.resolved_spec() : job.spec();
  if (format.empty() && context.json) {
    context.PrintJson(spec);
  } else if (format.empty() || format == "text") {
    context.out() << PrintText(spec);
  } else {
    const absl::StatusOr<std::string> text = PrintYaml(spec, format == "json" ? YamlStyle::kJson : YamlStyle::kYaml);
    if (!text.ok()) return context.Fail(text.status());
    context.out() << *text;
  }
  return kOk;
}

struct GetOptions {
  std::string job;
  bool spec = false;
  std::string format;
  bool verbose = false;
};

int GetCommand(const Context& context, const GetOptions& options) {
  const std::string name = JobName(options.job);
  const bool spec = options.spec;
  const absl::StatusOr<v1::Job> job =
      context.MakeClient().GetJob(name, spec ? v1::JOB_VIEW_RESOLVED : v1::JOB_VIEW_UNSPECIFIED);
  if (!job.ok()) return context.Fail(job.status());
  if (spec) return GetSpec(context, *job, options.format);
  if (context.json) {
    context.PrintJson(*job);
  } else if (context.quiet) {
    context.out() << EnumName(job->state()) << "\n";
  } else {
    PrintJob(context, *job, options.verbose);
  }
  return kOk;
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
  AddEnums(command, context, "--kinds", *kinds, *v1::EventKind_descriptor(), "KIND,...",
           "Only events of these kinds, and changes of state: ");
  command.add_option("--layers", options->layers, "Statistics of these layers only")
      ->delimiter(',')
      ->type_name("LAYER,...");
  command.add_flag("--snapshot", options->snapshot, "Print the view as it is now and return");
  AddWatchFlags(command, *options);
  command.callback([&context, name, options, kinds] {
    for (const int kind : *kinds) options->kinds.push_back(static_cast<v1::EventKind>(kind));
    context.action = [&context, name, options] { return WatchJob(context, JobName(*name), *options); };
  });
}

void AddList(CLI::App& app, Context& context) {
  CLI::App& command = *app.add_subcommand("list", "List the jobs, newest first")->alias("ps");
  command.footer(
      "Examples:\n"
      "  trainctl list\n"
      "  trainctl list --state running,queued -l team=vision\n"
      "  trainctl list -w                                   again and again, until Ctrl-C\n"
      "  trainctl list --filter 'dataset:fashion AND create_time > 2026-01-31' --sort priority,desc --limit 20\n"
      "  trainctl list --json | jq -r 'select(.state == \"JOB_STATE_FAILED\") | .error.message'\n"
      "A filter compares with = != < <= > >=, a colon finds a part of a text, NOT, AND and OR combine (OR binds "
      "tighter).");
  auto states = std::make_shared<std::vector<int>>();
  auto flags = std::make_shared<ListFlags>();
  auto watch = std::make_shared<bool>(false);
  command.add_flag("-w,--watch", *watch, "On a terminal: show the list as it changes");
  AddEnums(command, context, "--state", *states, *v1::JobState_descriptor(), "STATE,...",
           "Only jobs in these states: ");
  AddListFlags(
      command, *flags,
      {.fields = "name, uid, state, display_name, labels, dataset, owner, priority, create_time, start_time, end_time, "
                 "update_time",
       .labels = true});
  command.callback([&context, states, flags, watch] {
    context.action = [&context, states, flags, watch] {
      const ListOptions options = ToListOptions(*flags, StateCondition(*states));
      return *watch ? WatchList(context, options) : ListCommand(context, options);
    };
  });
}

}  // namespace

void AddJobCommands(CLI::App& app, Context& context) {
  AddWatch(app, context);
  AddList(app, context);
  CLI::App& command = *app.add_subcommand("get", "Show one job");
  command.footer(
      "Examples:\n"
      "  trainctl get cnn\n"
      "  trainctl get cnn --verbose                   with uid, etag and all times\n"
      "  trainctl get cnn --spec > again.textproto    every default filled in; can be submitted again\n"
      "  trainctl get cnn --spec -o yaml > again.yaml the same in YAML; -o json: in JSON");
  auto options = std::make_shared<GetOptions>();
  command.add_option("JOB", options->job, "Job to show")->required();
  CLI::Option* spec = command.add_flag("--spec", options->spec, "Print the job file with every default filled in");
  command.add_option("-o,--output", options->format, "Of --spec: text (the default), yaml or json")
      ->check(CLI::IsMember({"text", "yaml", "json"}))
      ->type_name("FORMAT")
      ->needs(spec);
  command.add_flag("-v,--verbose", options->verbose, "Everything there is");
  command.callback(
      [&context, options] { context.action = [&context, options] { return GetCommand(context, *options); }; });
}

}  // namespace traind::client
