// `trainctl sweep`: searches over a job's fields. Its results are in sweep_results.cc, what steers it in
// sweep_verbs.cc.
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/commands.h"
#include "client/cli/flags.h"
#include "client/cli/job_view.h"
#include "client/cli/labels.h"
#include "client/cli/sweep_entry.h"
#include "client/cli/sweep_spec.h"
#include "client/cli/sweep_view.h"
#include "client/cli/sweep_watch.h"
#include "client/cli/text.h"
#include "client/enum_names.h"
#include "client/names.h"

namespace traind::client {
namespace {

constexpr char kSweepFileHelp[] =
    "A file of a sweep is a traind.v1.SweepSpec in text format, YAML or JSON:\n"
    "  base { network { ... } data { ... } optimizer { adam {} } epochs: 5 }     a whole job file\n"
    "  space { paths: \"optimizer.learning_rate\" log_uniform { low: 1e-4 high: 1e-1 } }\n"
    "  space { paths: \"batch_size\" choice { values: [\"32\", \"64\", \"128\"] } }\n"
    "  random {}                                                                or grid, latin_hypercube, asha, pbt\n"
    "  objective { metric: \"accuracy\" }\n"
    "  budget { max_trials: 20 }\n"
    "docs/sweeps.md has the rest.";

struct SweepSubmitOptions {
  SweepSpecOptions spec;
  std::string sweep_id;
  bool validate_only = false;
};

void DeclareSweep(CLI::App& command, SweepSubmitOptions& options) {
  AddSweepSpecOptions(command, options.spec);
  command
      .add_option("--sweep-id", options.sweep_id, "Name of the sweep: a-z, 0-9 and -; default: the server makes one up")
      ->type_name("NEW");
}

// Creates the sweep, or checks it. Nullopt: it has said what is wrong, and `code` is the exit code.
std::optional<v1::Sweep> SubmitSweep(const Context& context, const SweepSubmitOptions& options, int& code) {
  if (options.spec.file.empty() && options.spec.job.empty()) {
    context.err() << "error: say which job: FILE, a sweep with its `base`, or --job FILE\n";
    code = kUsage;
    return std::nullopt;
  }
  const std::optional<MessageFile> file = ReadSweepSpec(context, options.spec, code);
  if (!file) return std::nullopt;
  v1::CreateSweepRequest request;
  *request.mutable_spec() = static_cast<const v1::SweepSpec&>(file->message());
  request.set_sweep_id(options.sweep_id);
  request.set_validate_only(options.validate_only);
  absl::StatusOr<v1::Sweep> sweep = context.MakeClient().CreateSweep(std::move(request));
  if (!sweep.ok()) {
    code = context.Fail(sweep.status(), &*file);
    return std::nullopt;
  }
  context.Warnings(sweep->warnings());
  return *std::move(sweep);
}

std::string Planned(const v1::Sweep& sweep) {
  const uint32_t planned = sweep.summary().planned_trials();
  return planned > 0 ? absl::StrCat(planned, " trials, ", AlgorithmName(sweep.spec())) : AlgorithmName(sweep.spec());
}

int SweepRunCommand(const Context& context, const SweepSubmitOptions& options, const SweepWatchOptions& watch) {
  int code = kOk;
  const std::optional<v1::Sweep> sweep = SubmitSweep(context, options, code);
  if (!sweep) return code;
  context.Note(absl::StrCat(sweep->name(), " submitted: ", Planned(*sweep), "; Ctrl-C detaches"));
  return WatchSweep(context, sweep->name(), watch);
}

int SweepSubmitCommand(const Context& context, const SweepSubmitOptions& options) {
  int code = kOk;
  const std::optional<v1::Sweep> sweep = SubmitSweep(context, options, code);
  if (!sweep) return code;
  if (context.json) {
    context.PrintJson(*sweep);
  } else if (options.validate_only) {
    context.out() << "the sweep is valid: " << Planned(*sweep) << "\n";
  } else if (context.quiet) {
    context.out() << ShortName(sweep->name()) << "\n";
  } else {
    context.out() << sweep->name() << " " << EnumName(sweep->state()) << ": " << Planned(*sweep) << "\n";
    context.Note(absl::StrCat("  trainctl sweep watch ", ShortName(sweep->name()), "   see it search"));
  }
  return kOk;
}

Table SweepTable(const std::vector<v1::Sweep>& sweeps) {
  Table table({{.title = "sweep"},
               {.title = "state"},
               {.title = "trials", .right = true},
               {.title = "best", .right = true},
               {.title = "steps", .right = true, .rank = 1},
               {.title = "owner", .rank = 2, .optional = true},
               {.title = "created", .rank = 3},
               {.title = "took", .right = true, .rank = 4},
               {.title = "labels", .rank = 5, .optional = true},
               {.title = "description", .rank = 6},
               {.title = "", .rank = 7, .optional = true}});
  for (const v1::Sweep& sweep : sweeps) {
    const v1::SweepSummary& summary = sweep.summary();
    const absl::Time end = sweep.has_end_time() ? ToTime(sweep.end_time()) : absl::Now();
    const std::string planned = summary.planned_trials() > 0 ? absl::StrCat("/", summary.planned_trials()) : "";
    table.Add({{.text = ShortName(sweep.name()), .style = Style::kBold},
               {.text = EnumName(sweep.state()), .style = StateStyle(sweep.state())},
               {.text = absl::StrCat(summary.trials(), planned)},
               {.text = summary.has_best() ? FormatNumber(summary.best().objective()) : "-"},
               {.text = FormatCount(static_cast<double>(summary.steps()))},
               {.text = Printable(sweep.owner())},
               {.text = FormatMinute(sweep.create_time())},
               {.text = FormatElapsed(end - ToTime(sweep.create_time()))},
               {.text = Printable(FormatLabels(sweep.labels())), .style = Style::kDim},
               {.text = Printable(sweep.display_name())},
               {.text = Printable(sweep.state_reason()), .style = Style::kDim}});
  }
  return table;
}

int SweepListCommand(const Context& context, const ListOptions& options) {
  const absl::StatusOr<std::vector<v1::Sweep>> sweeps = context.MakeClient().ListSweeps(options);
  if (!sweeps.ok()) return context.Fail(sweeps.status());
  NoteUnreachable(context, options);
  for (const v1::Sweep& sweep : *sweeps) {
    if (context.json) {
      context.PrintJson(sweep);
    } else if (context.quiet) {
      context.out() << ShortName(sweep.name()) << "\n";
    }
  }
  if (context.json || context.quiet) return kOk;
  if (!sweeps->empty()) {
    context.out() << SweepTable(*sweeps).Render(context.console.width, context.color());
  } else {
    context.Note(options.filter.empty() ? "no sweeps; `trainctl sweep run --help` shows how to make one"
                                        : "no such sweeps");
  }
  return kOk;
}

void SayBudget(const Context& context, const v1::SweepBudget& budget) {
  std::vector<std::string> parts;
  if (budget.has_max_trials()) parts.push_back(absl::StrCat(budget.max_trials(), " trials"));
  if (budget.max_steps() > 0) parts.push_back(absl::StrCat(budget.max_steps(), " steps"));
  if (budget.has_max_duration()) parts.push_back(FormatElapsed(ToDuration(budget.max_duration())));
  if (!parts.empty()) context.Say("at most", absl::StrJoin(parts, ", "));
}

int ShowSweep(const Context& context, const std::string& name) {
  const absl::StatusOr<v1::Sweep> sweep = context.MakeClient().GetSweep(name);
  if (!sweep.ok()) return context.Fail(sweep.status());
  if (context.json) {
    context.PrintJson(*sweep);
    return kOk;
  }
  if (context.quiet) {
    context.out() << EnumName(sweep->state()) << "\n";
    return kOk;
  }
  const v1::SweepSpec& spec = sweep->spec();
  const v1::SweepSummary& summary = sweep->summary();
  context.Say("name", sweep->name());
  if (!sweep->display_name().empty()) context.Say("description", sweep->display_name());
  context.Say("state",
              absl::StrCat(EnumName(sweep->state()), sweep->state_reason().empty() ? "" : ": ", sweep->state_reason()));
  if (!summary.waits_for().empty()) context.Say("waits for", summary.waits_for());
  if (!sweep->owner().empty()) context.Say("owner", sweep->owner());
  if (!sweep->labels().empty()) context.Say("labels", FormatLabels(sweep->labels()));
  context.Say("dataset", sweep->dataset());
  context.Say("algorithm", AlgorithmName(spec));
  context.Say("objective", absl::StrCat(IsMaximized(spec.objective()) ? "largest " : "smallest ",
                                        spec.objective().metric().empty() ? "loss" : spec.objective().metric()));
  for (const v1::Parameter& parameter : spec.space()) {
    const char* gap = parameter.name().size() > 12 ? "  " : "";  // A longer name takes all of the key's room.
    context.Say(" " + parameter.name(),
                absl::StrCat(gap, DescribeRange(parameter), "  (", absl::StrJoin(parameter.paths(), ", "), ")"));
  }
  SayBudget(context, spec.budget());
  context.Say("trials",
              absl::StrCat(summary.trials(), " of ",
                           summary.planned_trials() > 0 ? absl::StrCat(summary.planned_trials()) : "any number", ", ",
                           summary.finished(), " finished"));
  context.Say("steps",
              absl::StrCat(summary.steps(), " of ", summary.full_steps(), " that training all to the end takes"));
  if (summary.has_remaining()) context.Say("left", FormatElapsed(ToDuration(summary.remaining())));
  if (summary.has_best()) {
    context.Say("best", absl::StrCat(FormatNumber(summary.best().objective()), ": trial ", summary.best().number(),
                                     "  ", DescribeAssignments(summary.best())));
  }
  if (summary.has_mean() && summary.has_standard_deviation()) {
    context.Say("mean", absl::StrCat(FormatNumber(summary.mean()), " ± ", FormatNumber(summary.standard_deviation()),
                                     " over ", summary.finished(), " trials"));
  }
  context.Say("created", FormatSecond(sweep->create_time()));
  if (sweep->has_end_time()) context.Say("ended", FormatSecond(sweep->end_time()));
  for (const std::string& warning : sweep->warnings()) context.Say("warning", warning);
  return kOk;
}

int TrialsCommand(const Context& context, const std::string& of, const ListOptions& options) {
  Client client = context.MakeClient();
  const absl::StatusOr<v1::Sweep> sweep = client.GetSweep(SweepName(of));
  if (!sweep.ok()) return context.Fail(sweep.status());
  const absl::StatusOr<std::vector<v1::Trial>> trials = client.ListTrials(sweep->name(), options);
  if (!trials.ok()) return context.Fail(trials.status());
  for (const v1::Trial& trial : *trials) {
    if (context.json) {
      context.PrintJson(trial);
    } else if (context.quiet) {
      context.out() << (trial.job().empty() ? trial.name() : ShortName(trial.job())) << "\n";
    }
  }
  if (context.json || context.quiet) return kOk;
  if (trials->empty()) context.Note("no trials yet");
  if (!trials->empty()) context.out() << TrialTable(*sweep, *trials).Render(context.console.width, context.color());
  return kOk;
}

int SweepLogCommand(const Context& context, const std::string& of, int64_t after) {
  const auto entries = context.MakeClient().ListSweepEntries(SweepName(of), after);
  if (!entries.ok()) return context.Fail(entries.status());
  for (const v1::SweepEntry& entry : *entries) {
    if (context.json) {
      context.PrintJson(entry);
    } else {
      context.out() << PlainEntry(entry);
    }
  }
  return kOk;
}

void AddSweepSubmits(CLI::App& sweep, Context& context) {
  {
    CLI::App& command = *sweep.add_subcommand("run", "Submit a sweep and watch it; the exit code is 0 if it SUCCEEDED");
    command.footer(absl::StrCat(
        "Examples:\n"
        "  trainctl sweep run sweep.textproto\n"
        "  trainctl sweep run --job job.textproto --vary optimizer.learning_rate=1e-4..1e-1:log \\\n"
        "    --vary batch_size=32,64,128 --random 20 --maximize accuracy\n"
        "  trainctl sweep run --job job.textproto --vary 'optimizer={ sgd { momentum: 0.9 } },{ adam {} }' --grid\n"
        "  trainctl sweep run --job job.textproto --vary optimizer.learning_rate=1e-4..1e-1:log --asha 27 --min-epochs "
        "1\n"
        "Ctrl-C detaches: the sweep goes on, `trainctl sweep watch SWEEP` looks at it again.\n\n",
        kSweepFileHelp));
    auto options = std::make_shared<SweepSubmitOptions>();
    auto watch = std::make_shared<SweepWatchOptions>();
    DeclareSweep(command, *options);
    AddSweepWatchFlags(command, *watch);
    command.callback([&context, options, watch] {
      context.action = [&context, options, watch] { return SweepRunCommand(context, *options, *watch); };
    });
  }
  CLI::App& command = *sweep.add_subcommand("submit", "Submit a sweep and return at once");
  command.footer(
      absl::StrCat("Examples:\n  trainctl sweep submit sweep.textproto --sweep-id widths\n"
                   "  trainctl sweep submit sweep.textproto --validate-only\n\n",
                   kSweepFileHelp));
  auto options = std::make_shared<SweepSubmitOptions>();
  DeclareSweep(command, *options);
  command.add_flag("--validate-only", options->validate_only, "Check everything, create nothing");
  command.callback(
      [&context, options] { context.action = [&context, options] { return SweepSubmitCommand(context, *options); }; });
}

void AddSweepLooks(CLI::App& sweep, Context& context) {
  {
    CLI::App& command = *sweep.add_subcommand("list", "List the sweeps, newest first")->alias("ls");
    command.footer("Examples:\n  trainctl sweep list\n  trainctl sweep list --filter 'state = RUNNING' -l team=vision");
    auto flags = std::make_shared<ListFlags>();
    AddListFlags(command, *flags,
                 {.fields = "name, uid, state, display_name, labels, dataset, owner, create_time, end_time",
                  .labels = true,
                  .sort = false});
    command.callback([&context, flags] {
      context.action = [&context, flags] { return SweepListCommand(context, ToListOptions(*flags)); };
    });
  }
  AddVerb(sweep, context,
          {"show", "Show sweeps: what is searched, how, and what was found",
           "Example:\n  trainctl sweep show widths\n  trainctl sweep show widths --json   with the whole spec", "SWEEP",
           SweepName, ShowSweep})
      .alias("get");
  {
    CLI::App& command = *sweep.add_subcommand("watch", "Watch a sweep search: the live view, or lines in a pipe");
    command.footer(
        "Examples:\n"
        "  trainctl sweep watch widths                        live view on a terminal\n"
        "  trainctl sweep watch widths | grep arrived         one line for each entry of its log\n"
        "  trainctl sweep watch widths --json                 the same as JSON lines\n"
        "  trainctl sweep watch widths --snapshot > view.txt  the live view once, as text\n"
        "In the picture each trial is a line from axis to axis, the better half brighter, the best with filled dots.");
    auto name = std::make_shared<std::string>();
    auto options = std::make_shared<SweepWatchOptions>();
    command.add_option("SWEEP", *name, "Sweep to watch")->required();
    command.add_flag("--snapshot", options->snapshot, "Print the view as it is now and return");
    AddSweepWatchFlags(command, *options);
    command.callback([&context, name, options] {
      context.action = [&context, name, options] { return WatchSweep(context, SweepName(*name), *options); };
    });
  }
  {
    CLI::App& command = *sweep.add_subcommand("trials", "List the trials of a sweep");
    command.footer(
        "Examples:\n  trainctl sweep trials widths\n  trainctl sweep trials widths --sort objective --limit 5\n"
        "  trainctl sweep trials widths --json | jq -r '[.number, .objective] | @csv'\n"
        "  trainctl logs $(trainctl -q sweep trials widths --limit 1)");
    auto name = std::make_shared<std::string>();
    auto options = std::make_shared<ListOptions>();
    command.add_option("SWEEP", *name, "Sweep to look at")->required();
    command.add_option("--sort", options->order_by, "number (the default), or objective: the best first")
        ->check(CLI::IsMember({"number", "objective"}))
        ->type_name("FIELD");
    command.add_option("--limit", options->limit, "At most so many; default: all")
        ->check(CLI::PositiveNumber)
        ->type_name("N");
    command.callback([&context, name, options] {
      context.action = [&context, name, options] { return TrialsCommand(context, *name, *options); };
    });
  }
  CLI::App& command = *sweep.add_subcommand("log", "Print what was decided and what was heard, in order");
  command.footer("Example:\n  trainctl sweep log widths | grep promoted");
  auto name = std::make_shared<std::string>();
  auto after = std::make_shared<int64_t>(0);
  command.add_option("SWEEP", *name, "Sweep to look at")->required();
  command.add_option("--after", *after, "Only entries after this sequence number")->check(CLI::NonNegativeNumber);
  command.callback([&context, name, after] {
    context.action = [&context, name, after] { return SweepLogCommand(context, *name, *after); };
  });
}

}  // namespace

void AddSweepCommands(CLI::App& app, Context& context) {
  CLI::App& sweep = *app.add_subcommand("sweep", "Search for better values of a job's fields: many trials of one job");
  sweep.require_subcommand(1);
  sweep.footer("Examples:\n  trainctl sweep run --help\n  trainctl sweep list");
  AddSweepSubmits(sweep, context);
  AddSweepLooks(sweep, context);
  AddSweepResults(sweep, context);
  AddSweepVerbs(sweep, context);
}

}  // namespace traind::client
