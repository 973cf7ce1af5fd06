#include "client/cli/sweep_results.h"

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/flags.h"
#include "client/cli/search_svg.h"
#include "client/cli/sweep_view.h"
#include "client/cli/text.h"
#include "client/enum_names.h"
#include "client/field_path.h"
#include "client/names.h"
#include "client/parse_text.h"
#include "client/parse_yaml.h"

namespace traind::client {
namespace {

constexpr size_t kMostCurves = 200;  // Learning curves of a picture: the best trials'.
constexpr int kCurvePoints = 100;

struct BestOptions {
  std::string sweep;
  bool spec = false;
  std::string format;
};

// As `get --spec` prints it.
int PrintSpec(const Context& context, const v1::JobSpec& spec, const std::string& format) {
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

int BestCommand(const Context& context, const BestOptions& options) {
  Client client = context.MakeClient();
  const std::string name = SweepName(options.sweep);
  const absl::StatusOr<v1::Sweep> sweep = client.GetSweep(name);
  if (!sweep.ok()) return context.Fail(sweep.status());
  const absl::StatusOr<v1::Trial> best = client.GetTrial(absl::StrCat(name, "/trials/best"));
  if (!best.ok()) return context.Fail(best.status());
  if (options.spec) {
    const absl::StatusOr<v1::JobSpec> spec = SpecOfTrial(client, *sweep, *best);
    return spec.ok() ? PrintSpec(context, *spec, options.format) : context.Fail(spec.status());
  }
  const std::string shown = best->job().empty() ? best->name() : best->job();
  if (context.json) {
    context.PrintJson(*best);
    return kOk;
  }
  if (context.quiet) {
    context.out() << ShortName(shown) << "\n";
    return kOk;
  }
  context.Say("trial", best->name());
  context.Say("job", best->job().empty() ? "none: clients train" : best->job());
  context.Say("state", absl::StrCat(EnumName(best->state()), best->reason().empty() ? "" : ": ", best->reason()));
  context.Say(ObjectiveName(sweep->spec()), absl::StrCat(FormatNumber(best->objective()), " at step ",
                                                         best->objective_step(), " of ", best->total_steps()));
  for (const v1::Assignment& one : best->assignments()) {
    const char* gap = one.parameter().size() > 12 ? "  " : "";  // A longer name takes all of the key's room.
    context.Say(" " + one.parameter(), absl::StrCat(gap, one.value().empty() ? "absent" : one.value()));
  }
  if (!IsTerminal(sweep->state())) context.Note("so far: the sweep goes on");
  context.Note(absl::StrCat("  trainctl sweep best ", ShortName(name), " --spec > best.textproto   its job file"));
  if (!best->job().empty() && best->state() == v1::TRIAL_STATE_SUCCEEDED) {
    context.Note(absl::StrCat("  trainctl model eval ", ShortName(best->job()), "   its weights, on any split"));
  }
  return kOk;
}

// Of the metrics of which a job has curves.
std::optional<v1::Quantity> QuantityOf(const v1::Objective& objective) {
  const std::string& metric = objective.metric();
  const std::string name = metric.empty() ? "loss" : metric.substr(metric.rfind('.') + 1);
  std::string wanted = "QUANTITY_EVALUATION_";
  for (const char c : name) wanted += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  v1::Quantity quantity = v1::QUANTITY_UNSPECIFIED;
  if (!v1::Quantity_Parse(wanted, &quantity)) return std::nullopt;
  return quantity;
}

// What the trial's job reported of the objective; else what the sweep kept of it. Empty where there is neither.
std::vector<std::pair<uint64_t, double>> CurveOf(Client& client, const v1::Sweep& sweep, const v1::Trial& trial) {
  std::vector<std::pair<uint64_t, double>> curve;
  const std::optional<v1::Quantity> quantity = QuantityOf(sweep.spec().objective());
  if (quantity && !trial.job().empty()) {
    v1::GetSeriesRequest request;
    request.set_name(trial.job());
    request.add_quantities(*quantity);
    request.set_max_points(kCurvePoints);
    const absl::StatusOr<v1::Series> series = client.GetSeries(request);
    if (series.ok() && series->curves_size() > 0) {
      // Of several splits the one that the job is judged by.
      const std::string& split = sweep.spec().base().data().evaluation_split();
      const auto found = std::find_if(series->curves().begin(), series->curves().end(),
                                      [&](const v1::Series::Curve& one) { return one.of() == split; });
      const v1::Series::Curve& chosen = found != series->curves().end() ? *found : series->curves(0);
      for (int i = 0; i < chosen.steps_size(); ++i) curve.emplace_back(chosen.steps(i), chosen.values(i));
      return curve;
    }
  }
  const absl::StatusOr<v1::Trial> whole = client.GetTrial(trial.name());
  if (!whole.ok()) return curve;
  for (const v1::Measurement& one : whole->measurements()) curve.emplace_back(one.step(), one.value());
  return curve;
}

int PictureCommand(const Context& context, const std::string& of, const std::string& path) {
  Client client = context.MakeClient();
  const std::string name = SweepName(of);
  const absl::StatusOr<v1::Sweep> sweep = client.GetSweep(name);
  if (!sweep.ok()) return context.Fail(sweep.status());
  const absl::StatusOr<std::vector<v1::Trial>> trials = client.ListTrials(name);
  if (!trials.ok()) return context.Fail(trials.status());
  if (trials->empty()) return context.Fail(absl::FailedPreconditionError(absl::StrCat(name, " has no trial yet")));
  Search search = ToSearch(*sweep, *trials);
  const auto best_first = client.ListTrials(name, {.order_by = "objective", .limit = kMostCurves});
  if (!best_first.ok()) return context.Fail(best_first.status());
  size_t without = 0;
  for (const v1::Trial& trial : *best_first) {
    const auto at = std::find_if(search.trials.begin(), search.trials.end(),
                                 [&](const SearchTrial& one) { return one.number == trial.number(); });
    if (at == search.trials.end()) continue;  // It is newer than the list above.
    at->curve = CurveOf(client, *sweep, trial);
    if (at->curve.empty()) ++without;
  }
  if (without > 0) context.Note(absl::StrCat("without a learning curve: ", without, " trials that were not evaluated"));
  if (trials->size() > kMostCurves) {
    context.Note(absl::StrCat("learning curves are those of the best ", kMostCurves, " trials"));
  }
  if (path == "-") {
    context.out() << SearchSvg(search);
    return kOk;
  }
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << SearchSvg(search);
  file.close();
  if (!file) return context.Fail(absl::ErrnoToStatus(errno, absl::StrCat("--output: cannot write ", path)));
  context.Note(absl::StrCat(path, " shows it; any browser opens it"));
  return kOk;
}

}  // namespace

absl::StatusOr<v1::JobSpec> SpecOfTrial(Client& client, const v1::Sweep& sweep, const v1::Trial& trial) {
  if (!trial.job().empty()) {
    const absl::StatusOr<v1::Job> job = client.GetJob(trial.job(), v1::JOB_VIEW_SPEC);
    if (job.ok()) {
      v1::JobSpec spec = job->spec();
      spec.mutable_labels()->erase("sweep");
      spec.mutable_labels()->erase("trial");
      return spec;
    }
    if (!absl::IsNotFound(job.status())) return job.status();
  }
  v1::JobSpec spec = sweep.spec().base();
  for (const v1::Assignment& one : trial.assignments()) {
    const auto parameter = std::find_if(sweep.spec().space().begin(), sweep.spec().space().end(),
                                        [&](const v1::Parameter& known) { return known.name() == one.parameter(); });
    if (parameter == sweep.spec().space().end()) continue;
    for (const std::string& path : parameter->paths()) {
      if (absl::StatusOr<std::string> set = SetField(spec, path, one.value()); !set.ok()) return set.status();
    }
  }
  return spec;
}

void AddSweepResults(CLI::App& sweep, Context& context) {
  {
    CLI::App& command = *sweep.add_subcommand("best", "Show the best trial, or its job file");
    command.footer(
        "Examples:\n"
        "  trainctl sweep best widths\n"
        "  trainctl sweep best widths --spec > best.textproto && trainctl run best.textproto --set epochs=50\n"
        "  trainctl model eval $(trainctl -q sweep best widths)\n"
        "With asha and pbt it is the best of the trials that got furthest.");
    auto options = std::make_shared<BestOptions>();
    command.add_option("SWEEP", options->sweep, "Sweep to look at")->required();
    CLI::Option* spec = command.add_flag("--spec", options->spec, "Print its job file, which can be run again");
    command.add_option("-o,--output", options->format, "Of --spec: text (the default), yaml or json")
        ->check(CLI::IsMember({"text", "yaml", "json"}))
        ->type_name("FORMAT")
        ->needs(spec);
    command.callback(
        [&context, options] { context.action = [&context, options] { return BestCommand(context, *options); }; });
  }
  CLI::App& command = *sweep.add_subcommand("picture", "Draw the search: one SVG file");
  command.footer(
      "Example:\n  trainctl sweep picture widths -o search.svg\n"
      "It has parallel coordinates, the objective of each trial with the best so far, and the learning curves. It "
      "needs\n"
      "nothing else, and tells of each trial where the mouse is.");
  auto name = std::make_shared<std::string>();
  auto path = std::make_shared<std::string>();
  command.add_option("SWEEP", *name, "Sweep to draw")->required();
  command.add_option("-o,--output", *path, "File to write; - is the standard output")->required()->type_name("FILE");
  command.callback([&context, name, path] {
    context.action = [&context, name, path] { return PictureCommand(context, *name, *path); };
  });
}

}  // namespace traind::client
