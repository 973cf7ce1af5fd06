#include "client/cli/sweep_view.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/cli/job_view.h"
#include "client/cli/search_chart.h"
#include "client/cli/text.h"
#include "client/enum_names.h"
#include "client/names.h"

namespace traind::client {
namespace {

constexpr int kValueWidth = 24;  // Of a parameter in a table: a choice may be a whole message.
constexpr int kChartHeight = 9;  // Of the parallel coordinates, without their titles.
constexpr int kLeastTrials = 4;  // Rows that the picture leaves to the table.

std::string ValueText(const v1::Assignment& assignment) {
  return Clip(Printable(assignment.value().empty() ? "-" : ShortValue(assignment.value())), kValueWidth);
}

// "12 succeeded, 2 running".
std::string StateCounts(const v1::SweepSummary& summary) {
  const std::map<std::string, uint32_t> counts(summary.trials_by_state().begin(), summary.trials_by_state().end());
  std::vector<std::string> parts;
  for (const auto& [state, count] : counts) {
    std::string word = state;
    for (char& c : word) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    if (count > 0) parts.push_back(absl::StrCat(count, " ", word));
  }
  return absl::StrJoin(parts, ", ");
}

std::string StepsText(const v1::SweepSummary& summary) {
  if (summary.steps() == 0) return "";
  std::string text = absl::StrCat(FormatCount(static_cast<double>(summary.steps())), " steps");
  if (summary.full_steps() > summary.steps()) {
    absl::StrAppend(&text, " of the ", FormatCount(static_cast<double>(summary.full_steps())),
                    " that training all to the end takes");
  }
  return text;
}

absl::Duration SweepElapsed(const v1::Sweep& sweep, absl::Time now) {
  return (sweep.has_end_time() ? ToTime(sweep.end_time()) : now) - ToTime(sweep.create_time());
}

StyledLine SweepHeader(const v1::Sweep& sweep) {
  StyledLine line;
  line.Add(sweep.name(), Style::kBold);
  if (!sweep.display_name().empty()) line.Add("  " + Printable(sweep.display_name()), Style::kDim);
  line.Add("  ").Add(EnumName(sweep.state()), StateStyle(sweep.state())).Add("  " + AlgorithmName(sweep.spec()));
  if (!sweep.state_reason().empty()) line.Add("  " + Printable(sweep.state_reason()), Style::kDim);
  return line;
}

StyledLine SweepProgressLine(const v1::Sweep& sweep, const std::vector<v1::Trial>& trials,
                             const SweepViewOptions& options) {
  const double share = ProgressOf(sweep, trials);
  std::string facts = absl::StrCat("  ", FormatElapsed(SweepElapsed(sweep, options.now)));
  if (!IsTerminal(sweep.state()) && sweep.summary().has_remaining()) {
    absl::StrAppend(&facts, ", about ", FormatElapsed(ToDuration(sweep.summary().remaining())), " left");
  }
  const std::string percent = absl::StrFormat(" %3d %%", static_cast<int>(std::floor(100 * share)));
  const int width = std::clamp(options.width - DisplayWidth(percent) - DisplayWidth(facts), 10, 60);
  return StyledLine().Add(Bar(share, width)).Add(percent, Style::kBold).Add(facts, Style::kDim);
}

StyledLine TrialsLine(const v1::SweepSummary& summary) {
  std::string text = absl::StrCat(summary.trials());
  if (summary.planned_trials() > 0) absl::StrAppend(&text, " of ", summary.planned_trials());
  if (const std::string counts = StateCounts(summary); !counts.empty()) absl::StrAppend(&text, ": ", counts);
  if (const std::string steps = StepsText(summary); !steps.empty()) absl::StrAppend(&text, "; ", steps);
  return StyledLine().Add("trials  ", Style::kDim).Add(text);
}

void AddBest(const v1::Sweep& sweep, const Search& search, std::vector<StyledLine>& lines) {
  const v1::SweepSummary& summary = sweep.summary();
  if (!summary.has_best()) return;
  const v1::Trial& best = summary.best();
  lines.push_back(StyledLine()
                      .Add("best    ", Style::kDim)
                      .Add(absl::StrCat(search.objective, " ", FormatNumber(best.objective())), Style::kGood)
                      .Add(absl::StrCat("  trial ", best.number(), "  ", DescribeAssignments(best))));
  const std::vector<double> so_far = BestSoFar(search);
  if (so_far.size() > 1) {
    lines.push_back(StyledLine().Add("so far  ", Style::kDim).Add(Sparkline(so_far, 60)));
  }
}

// Those that run, then the best first, then the rest.
std::vector<v1::Trial> ByInterest(const Search& search, std::vector<v1::Trial> trials) {
  std::stable_sort(trials.begin(), trials.end(), [&](const v1::Trial& a, const v1::Trial& b) {
    const bool a_runs = a.state() == v1::TRIAL_STATE_RUNNING, b_runs = b.state() == v1::TRIAL_STATE_RUNNING;
    if (a_runs != b_runs) return a_runs;
    if (a_runs) return a.number() < b.number();
    if (a.has_objective() != b.has_objective()) return a.has_objective();
    return a.has_objective() && IsBetter(search, a.objective(), b.objective());
  });
  return trials;
}

// Value and deviation of the folds.
bool IsFolds(const v1::SweepSpec& spec) {
  return spec.has_grid() && spec.space_size() == 1 && spec.space(0).paths_size() == 1 &&
         spec.space(0).paths(0) == "data.folds.index";
}

std::string MeanText(const v1::Sweep& sweep) {
  const v1::SweepSummary& summary = sweep.summary();
  if (!summary.has_mean()) return "";
  std::string text = absl::StrCat("mean ", ObjectiveName(sweep.spec()), " ", FormatNumber(summary.mean()));
  if (summary.has_standard_deviation()) {
    absl::StrAppend(&text, " ± ", FormatNumber(summary.standard_deviation()));
  }
  return absl::StrCat(text, " over ", summary.finished(), IsFolds(sweep.spec()) ? " folds" : " trials",
                      summary.has_standard_deviation() ? " (sample standard deviation)" : "");
}

}  // namespace

bool IsTerminal(v1::SweepState state) {
  return state == v1::SWEEP_STATE_SUCCEEDED || state == v1::SWEEP_STATE_FAILED || state == v1::SWEEP_STATE_CANCELLED;
}

Style StateStyle(v1::SweepState state) {
  switch (state) {
    case v1::SWEEP_STATE_SUCCEEDED:
      return Style::kGood;
    case v1::SWEEP_STATE_FAILED:
      return Style::kBad;
    case v1::SWEEP_STATE_RUNNING:
      return Style::kBold;
    default:
      return Style::kWarning;
  }
}

Style StateStyle(v1::TrialState state) {
  switch (state) {
    case v1::TRIAL_STATE_SUCCEEDED:
      return Style::kGood;
    case v1::TRIAL_STATE_FAILED:
      return Style::kBad;
    case v1::TRIAL_STATE_CANCELLED:
      return Style::kWarning;
    case v1::TRIAL_STATE_RUNNING:
      return Style::kBold;
    default:
      return Style::kDim;
  }
}

std::string AlgorithmName(const v1::SweepSpec& spec) {
  const auto* oneof = v1::SweepSpec::descriptor()->FindOneofByName("algorithm");
  const auto* field = v1::SweepSpec::GetReflection()->GetOneofFieldDescriptor(spec, oneof);
  return field == nullptr ? "" : field->name();
}

std::string ObjectiveName(const v1::SweepSpec& spec) {
  const std::string& metric = spec.objective().metric();
  return metric.empty() ? "loss" : metric.substr(metric.rfind('.') + 1);
}

bool IsMaximized(const v1::Objective& objective) {
  if (objective.goal() != v1::Objective::GOAL_UNSPECIFIED) return objective.goal() == v1::Objective::GOAL_MAXIMIZE;
  const std::string name = objective.metric().substr(objective.metric().rfind('.') + 1);
  for (const char* less :
       {"", "loss", "log_loss", "calibration_error", "mean_absolute_error", "root_mean_squared_error", "spread"}) {
    if (name == less) return false;
  }
  return true;
}

std::string DescribeAssignments(const v1::Trial& trial) {
  std::vector<std::string> parts;
  for (const v1::Assignment& one : trial.assignments()) {
    parts.push_back(absl::StrCat(one.parameter(), " ", ValueText(one)));
  }
  return absl::StrJoin(parts, "  ");
}

std::string DescribeRange(const v1::Parameter& parameter) {
  const auto points = [](uint32_t count) { return count > 0 ? absl::StrCat(", ", count, " points") : std::string(); };
  const auto range = [&](absl::string_view kind, const v1::Range& of) {
    return absl::StrCat(kind, " ", FormatNumber(of.low()), " to ", FormatNumber(of.high()), points(of.points()));
  };
  switch (parameter.kind_case()) {
    case v1::Parameter::kChoice:
      return absl::StrJoin(parameter.choice().values(), ", ");
    case v1::Parameter::kUniform:
      return range("uniform", parameter.uniform());
    case v1::Parameter::kLogUniform:
      return range("log_uniform", parameter.log_uniform());
    case v1::Parameter::kInteger:
      return absl::StrCat("integer ", parameter.integer().low(), " to ", parameter.integer().high(),
                          parameter.integer().log() ? ", log" : "", points(parameter.integer().points()));
    case v1::Parameter::KIND_NOT_SET:
      break;
  }
  return "";
}

Search ToSearch(const v1::Sweep& sweep, const std::vector<v1::Trial>& trials) {
  Search search;
  search.title = sweep.name();
  search.objective = ObjectiveName(sweep.spec());
  search.maximize = IsMaximized(sweep.spec().objective());
  if (!sweep.display_name().empty()) absl::StrAppend(&search.title, ": ", sweep.display_name());
  for (const v1::Parameter& parameter : sweep.spec().space()) {
    SearchAxis axis;
    axis.title = parameter.name();
    if (parameter.has_choice()) {
      axis.choices.assign(parameter.choice().values().begin(), parameter.choice().values().end());
    } else if (parameter.has_integer()) {
      axis.low = static_cast<double>(parameter.integer().low());
      axis.high = static_cast<double>(parameter.integer().high());
      axis.logarithmic = parameter.integer().log();
    } else {
      const v1::Range& range = parameter.has_log_uniform() ? parameter.log_uniform() : parameter.uniform();
      axis.low = range.low();
      axis.high = range.high();
      axis.logarithmic = parameter.has_log_uniform();
    }
    search.axes.push_back(std::move(axis));
  }
  for (const v1::Trial& trial : trials) {
    SearchTrial& shown = search.trials.emplace_back();
    shown.number = trial.number();
    shown.state = EnumName(trial.state());
    shown.values.resize(search.axes.size());
    for (const v1::Assignment& one : trial.assignments()) {
      for (size_t i = 0; i < search.axes.size(); ++i) {
        if (search.axes[i].title == one.parameter()) shown.values[i] = one.value();
      }
    }
    if (trial.has_objective() && std::isfinite(trial.objective())) shown.objective = trial.objective();
    const bool best = sweep.summary().has_best() && sweep.summary().best().number() == trial.number();
    if (best && shown.objective) search.chosen = search.trials.size() - 1;
  }
  return search;
}

Table TrialTable(const v1::Sweep& sweep, const std::vector<v1::Trial>& trials) {
  std::vector<Column> columns = {{.title = "trial", .right = true},
                                 {.title = "state"},
                                 {.title = ObjectiveName(sweep.spec()), .right = true},
                                 {.title = "step", .right = true, .rank = 2},
                                 {.title = "rung", .right = true, .rank = 3, .optional = true},
                                 {.title = "parent", .right = true, .rank = 3, .optional = true}};
  for (const v1::Parameter& parameter : sweep.spec().space()) {
    columns.push_back({.title = parameter.name(), .right = !parameter.has_choice(), .rank = 1});
  }
  columns.push_back({.title = "", .rank = 4, .optional = true});
  Table table(std::move(columns));
  for (const v1::Trial& trial : trials) {
    const bool best = sweep.summary().has_best() && sweep.summary().best().number() == trial.number();
    std::vector<Span> row = {{.text = absl::StrCat(trial.number()), .style = Style::kBold},
                             {.text = EnumName(trial.state()), .style = StateStyle(trial.state())},
                             {.text = trial.has_objective() ? FormatNumber(trial.objective()) : "-",
                              .style = best ? Style::kGood : Style::kPlain},
                             {.text = absl::StrCat(trial.step(), "/", trial.total_steps())},
                             {.text = sweep.spec().has_asha() ? absl::StrCat(trial.rung()) : ""},
                             {.text = trial.parent().empty() ? "" : ShortName(trial.parent())}};
    for (const v1::Parameter& parameter : sweep.spec().space()) {
      const auto found = std::find_if(trial.assignments().begin(), trial.assignments().end(),
                                      [&](const v1::Assignment& one) { return one.parameter() == parameter.name(); });
      row.push_back({.text = found == trial.assignments().end() ? "" : ValueText(*found)});
    }
    row.push_back({.text = Printable(trial.has_error() ? trial.error().message() : trial.reason()),
                   .style = trial.has_error() ? Style::kBad : Style::kDim});
    table.Add(std::move(row));
  }
  return table;
}

double ProgressOf(const v1::Sweep& sweep, const std::vector<v1::Trial>& trials) {
  if (sweep.state() == v1::SWEEP_STATE_SUCCEEDED) return 1;
  const v1::SweepSummary& summary = sweep.summary();
  double by_steps = 0;
  if (const uint64_t limit = sweep.spec().budget().max_steps(); limit > 0) {
    by_steps = static_cast<double>(summary.steps()) / static_cast<double>(limit);
  }
  double done = 0;
  for (const v1::Trial& trial : trials) {
    const uint64_t goal = trial.goal_step() > 0 ? trial.goal_step() : trial.total_steps();
    const bool runs = trial.state() == v1::TRIAL_STATE_RUNNING;
    done += !runs ? 1 : goal == 0 ? 0 : std::min(1.0, static_cast<double>(trial.step()) / static_cast<double>(goal));
  }
  const double planned = std::max<double>(summary.planned_trials(), static_cast<double>(trials.size()));
  const double by_trials = planned == 0 || summary.planned_trials() == 0 ? 0 : done / planned;
  return std::clamp(std::max(by_steps, by_trials), 0.0, 1.0);
}

std::string RenderSweep(const v1::Sweep& sweep, const std::vector<v1::Trial>& trials, const SweepViewOptions& options) {
  const Search search = ToSearch(sweep, trials);
  std::vector<StyledLine> lines = {SweepHeader(sweep), SweepProgressLine(sweep, trials, options),
                                   TrialsLine(sweep.summary())};
  AddBest(sweep, search, lines);
  if (!sweep.summary().waits_for().empty() && !IsTerminal(sweep.state())) {
    lines.push_back(StyledLine().Add("waits: " + Printable(sweep.summary().waits_for()), Style::kWarning));
  }
  if (!options.connection.empty()) lines.push_back(StyledLine().Add(Printable(options.connection), Style::kBad));
  const std::vector<StyledLine> table = TrialTable(sweep, ByInterest(search, trials)).Lines(options.width);
  const auto room = [&] { return options.height - static_cast<int>(lines.size()); };
  const int rows = std::min(static_cast<int>(table.size()), kLeastTrials + 1);
  if (std::vector<StyledLine> chart = ParallelLines(search, options.width, kChartHeight);
      !chart.empty() && room() >= static_cast<int>(chart.size()) + rows + 2) {
    lines.emplace_back();
    lines.insert(lines.end(), chart.begin(), chart.end());
  }
  if (!trials.empty() && room() > 2) {
    lines.emplace_back();
    const bool all = static_cast<int>(table.size()) <= room();
    const int shown = all ? static_cast<int>(table.size()) : room() - 1;
    lines.insert(lines.end(), table.begin(), table.begin() + shown);
    if (!all) {
      lines.push_back(StyledLine().Add(absl::StrCat("and ", static_cast<int>(table.size()) - shown,
                                                    " more: trainctl sweep trials ", ShortName(sweep.name())),
                                       Style::kDim));
    }
  }
  std::string text;
  for (int i = 0; i < std::min(static_cast<int>(lines.size()), options.height); ++i) {
    absl::StrAppend(&text, lines[static_cast<size_t>(i)].Render(options.width, options.color), "\n");
  }
  return text;
}

std::string RenderSweepSummary(const v1::Sweep& sweep, bool color) {
  constexpr int kWide = 10000;
  const v1::SweepSummary& summary = sweep.summary();
  const std::string id = ShortName(sweep.name());
  StyledLine first;
  first.Add(sweep.name(), Style::kBold).Add(" ").Add(EnumName(sweep.state()), StateStyle(sweep.state()));
  first.Add(absl::StrCat(" after ", FormatElapsed(SweepElapsed(sweep, absl::InfiniteFuture()))));
  if (!sweep.state_reason().empty()) first.Add(": " + Printable(sweep.state_reason()));
  std::string text = absl::StrCat(first.Render(kWide, color), "\n", TrialsLine(summary).Render(kWide, color), "\n");
  if (const std::string mean = MeanText(sweep); !mean.empty()) {
    absl::StrAppend(&text, StyledLine().Add("mean    ", Style::kDim).Add(mean).Render(kWide, color), "\n");
  }
  if (!summary.has_best()) {
    const bool failed = summary.trials_by_state().count("FAILED") > 0;
    return absl::StrCat(text, "no trial was evaluated", failed ? "; why: trainctl sweep trials " : "", failed ? id : "",
                        "\n");
  }
  if (IsFolds(sweep.spec())) return text;
  const v1::Trial& best = summary.best();
  StyledLine line;
  line.Add("best    ", Style::kDim)
      .Add(absl::StrCat(ObjectiveName(sweep.spec()), " ", FormatNumber(best.objective())), Style::kGood)
      .Add(absl::StrCat("  ", best.job().empty() ? absl::StrCat("trial ", best.number()) : best.job(), "  ",
                        DescribeAssignments(best)));
  return absl::StrCat(text, line.Render(kWide, color), "\n  trainctl sweep best ", id,
                      " --spec > best.textproto      its job file, to run again\n  trainctl sweep picture ", id,
                      " -o search.svg          the search as a picture\n");
}

}  // namespace traind::client
