#include "client/cli/live_view.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "client/cli/finding_view.h"
#include "client/enum_names.h"
#include "client/names.h"

namespace traind::client {
namespace {

constexpr int kHistogramCells = 16;  // Four of the 64 bins in each.
constexpr int kMinEventLines = 3;

StyledLine Header(const JobView& view) {
  const v1::Job& job = view.job();
  StyledLine line;
  line.Add(job.name(), Style::kBold);
  if (!DisplayName(job).empty()) line.Add("  " + Printable(DisplayName(job)), Style::kDim);
  line.Add("  ").Add(EnumName(view.state()), StateStyle(view.state()));
  const v1::JobProgress& progress = job.progress();
  if (progress.steps_per_epoch() > 0) {
    line.Add(
        absl::StrFormat("  epoch %.2f of %.2f", view.epoch(),
                        static_cast<double>(progress.total_steps()) / static_cast<double>(progress.steps_per_epoch())));
  }
  line.Add(absl::StrCat("  step ", view.step()));
  if (progress.total_steps() > 0) line.Add(absl::StrCat(" of ", progress.total_steps()));
  if (job.restarts() > 0) line.Add(absl::StrCat("  restarts ", job.restarts()), Style::kWarning);
  return line;
}

StyledLine ProgressLine(const JobView& view, const LiveViewOptions& options) {
  const uint64_t total = view.job().progress().total_steps();
  double share = total == 0 ? 0 : static_cast<double>(view.step()) / static_cast<double>(total);
  if (view.state() == v1::JOB_STATE_SUCCEEDED) share = 1;
  std::string facts = absl::StrCat("  ", FormatElapsed(view.Elapsed(options.now)));
  if (!IsTerminal(view.state()) && view.timing().has_remaining()) {
    absl::StrAppend(&facts, ", ", FormatElapsed(ToDuration(view.timing().remaining())), " left");
  }
  if (view.timing().examples_per_second() > 0) {
    absl::StrAppend(&facts, "  ", FormatCount(view.timing().examples_per_second()), " examples/s  ",
                    FormatNumber(view.timing().step_ms()), " ms/step");
  }
  const std::string percent = absl::StrFormat(" %3d %%", static_cast<int>(std::floor(100 * share)));
  const int width = std::clamp(options.width - DisplayWidth(percent) - DisplayWidth(facts), 10, 60);
  return StyledLine().Add(Bar(share, width)).Add(percent, Style::kBold).Add(facts, Style::kDim);
}

// Why a job does not train now, and what helps.
std::optional<StyledLine> StandingLine(const JobView& view) {
  const std::string queue = DescribeQueue(view.job().queue());
  // The record may be older than the newest event.
  if (view.job().state() == view.state() && !queue.empty()) {
    return StyledLine().Add("waits: " + Printable(queue), Style::kWarning);
  }
  if (view.state() == v1::JOB_STATE_PAUSED) {
    return StyledLine().Add(absl::StrCat("paused: `trainctl resume ", ShortName(view.job().name()), "` lets it go on"),
                            Style::kWarning);
  }
  return std::nullopt;
}

// What helps a job that waits for minibatches much of the time.
std::optional<StyledLine> DataWaitLine(const JobView& view) {
  constexpr double kMuch = 0.1;  // Of a step: less is noise, and more threads would win nothing.
  const v1::Timing& timing = view.timing();
  const double share = timing.step_ms() > 0 ? timing.data_wait_ms() / timing.step_ms() : 0;
  if (IsTerminal(view.state()) || !(share > kMuch)) return std::nullopt;
  return StyledLine().Add(
      absl::StrCat("waits for data ", FormatPercent(share), " of the time: more data.prefetch_threads may help"),
      Style::kWarning);
}

// "train  loss 0.4213 ▇▅▃▁  accuracy 85.0 % ▁▃▅▇".
StyledLine MetricsLine(absl::string_view title, double loss, const Series& losses, std::optional<double> accuracy,
                       const Series& accuracies, int width) {
  const int curve = std::clamp((width - 50) / 2, 8, 30);
  StyledLine line;
  line.Add(PadRight(title, 6), Style::kDim)
      .Add("loss ")
      .Add(PadRight(FormatNumber(loss), 8), std::isfinite(loss) ? Style::kBold : Style::kBad)
      .Add(PadRight(Sparkline(losses.values(), curve), curve));
  if (accuracy) {
    line.Add("   accuracy ")
        .Add(PadRight(FormatPercent(*accuracy), 8), Style::kBold)
        .Add(Sparkline(accuracies.values(), curve));
  }
  return line;
}

void AddMetrics(const JobView& view, int width, std::vector<StyledLine>& lines) {
  if (view.train()) {
    const v1::TrainMetrics& train = *view.train();
    const bool means = train.has_mean_loss();  // One minibatch is noisy.
    const double accuracy = train.has_mean_accuracy() ? train.mean_accuracy() : train.accuracy();
    StyledLine line =
        MetricsLine("train", means ? train.mean_loss() : train.loss(), view.train_loss(),
                    train.has_accuracy() ? std::optional(accuracy) : std::nullopt, view.train_accuracy(), width);
    if (means && train.mean_steps() > 1)
      line.Add(absl::StrCat("   mean of ", train.mean_steps(), " steps"), Style::kDim);
    lines.push_back(std::move(line));
  }
  if (view.evaluation()) {
    const v1::EvaluationMetrics& evaluation = *view.evaluation();
    lines.push_back(MetricsLine(Clip(evaluation.split(), 5), evaluation.loss(), view.evaluation_loss(),
                                evaluation.has_accuracy() ? std::optional(evaluation.accuracy()) : std::nullopt,
                                view.evaluation_accuracy(), width));
    const std::string metric = DescribeBestMetric(evaluation);
    if (!metric.empty()) lines.back().Add("   " + metric, Style::kBold);
  }
  if (view.test()) {
    lines.push_back(StyledLine()
                        .Add(PadRight("TEST", 6), Style::kDim)
                        .Add(DescribeEvaluation(*view.test()) + WeightsOf(*view.test()), Style::kBold));
  }
  if (view.train()) {
    const v1::TrainMetrics& train = *view.train();
    StyledLine line;
    line.Add("learning rate ", Style::kDim).Add(FormatNumber(train.learning_rate()));
    line.Add("   gradient norm ", Style::kDim)
        .Add(PadRight(FormatNumber(train.gradient_norm()), 8),
             std::isfinite(train.gradient_norm()) ? Style::kPlain : Style::kBad)
        .Add(Sparkline(view.gradient_norm().values(), 16));
    if (train.penalty() != 0) line.Add("   penalty ", Style::kDim).Add(FormatNumber(train.penalty()));
    lines.push_back(std::move(line));
  }
}

// What the preprocessing made of the data: "data  784 features  mean 0.5000 to 144.0  variance 0.2500 to 9000
// |correlation| 0.2400", and the same after it.
void AddPreprocessing(const v1::PreprocessingReport& report, std::vector<StyledLine>& lines) {
  const auto add = [&](absl::string_view title, const v1::DataMoments& moments) {
    lines.push_back(
        StyledLine()
            .Add(PadRight(title, 6), Style::kDim)
            .Add(PadRight(absl::StrCat(moments.features(), " features"), 14))
            .Add("mean ", Style::kDim)
            .Add(absl::StrCat(FormatNumber(moments.mean_min()), " to ", FormatNumber(moments.mean_max())))
            .Add("  variance ", Style::kDim)
            .Add(absl::StrCat(FormatNumber(moments.variance_min()), " to ", FormatNumber(moments.variance_max())))
            .Add("  |correlation| ", Style::kDim)
            .Add(FormatNumber(moments.mean_absolute_correlation())));
  };
  add("data", report.before());
  add("after", report.after());
}

// Colour for a share that is bad when it is large.
Style Trouble(double share, double warning, double bad) {
  return share >= bad ? Style::kBad : share >= warning ? Style::kWarning : Style::kPlain;
}

Span NumberSpan(float value) {
  return {.text = FormatNumber(value), .style = std::isfinite(value) ? Style::kPlain : Style::kBad};
}

StyledLine NoteLine(const Note& note, absl::string_view left_out) {
  return StyledLine()
      .Add(absl::StrCat(absl::FormatTime("%H:%M:%S", note.time, absl::LocalTimeZone()), "  step ",
                        PadRight(absl::StrCat(note.step), 7)),
           Style::kDim)
      .Add(absl::StripSuffix(note.text, left_out), note.style);
}

}  // namespace

Table LayerTable(const v1::StatisticsReport& statistics, bool logarithmic) {
  std::map<std::string, const v1::ParameterStatistics*> parameters;
  bool gradients = false, pruning = false;
  for (const v1::ParameterStatistics& parameter : statistics.parameters()) {
    parameters[parameter.name()] = &parameter;
    gradients = gradients || parameter.gradient_norm() != 0 || parameter.update_ratio() != 0;
    pruning = pruning || parameter.has_sparsity();
  }
  std::vector<Column> columns = {{.title = "layer"},
                                 {.title = "shape", .rank = 6},
                                 {.title = "mean", .right = true},
                                 {.title = "std", .right = true},
                                 {.title = "zeros", .right = true, .rank = 1},
                                 {.title = "saturated", .right = true, .rank = 3},
                                 {.title = "dead", .right = true, .rank = 2}};
  if (gradients) {
    columns.push_back({.title = "gradient", .right = true, .rank = 4});
    columns.push_back({.title = "update", .right = true, .rank = 5});
  }
  if (pruning) columns.push_back({.title = "pruned", .right = true, .rank = 3});
  columns.push_back({.title = "histogram", .rank = 1});
  Table table(std::move(columns));
  for (const v1::LayerStatistics& layer : statistics.layers()) {
    std::vector<Span> row;
    row.push_back({.text = layer.layer(), .style = Style::kBold});
    row.push_back({.text = FormatShape(layer.shape()), .style = Style::kDim});
    row.push_back(NumberSpan(layer.mean()));
    row.push_back(NumberSpan(layer.std()));
    row.push_back({.text = FormatPercent(layer.zero_fraction()), .style = Trouble(layer.zero_fraction(), 0.9, 0.99)});
    if (layer.has_saturated_fraction()) {
      row.push_back({.text = FormatPercent(layer.saturated_fraction()),
                     .style = Trouble(layer.saturated_fraction(), layer.has_dead_units() ? 0.9 : 0.3, 0.99)});
    } else {
      row.push_back({.text = "-", .style = Style::kDim});
    }
    if (layer.has_dead_units()) {
      const double share =
          layer.units() > 0 ? static_cast<double>(layer.dead_units()) / static_cast<double>(layer.units()) : 0;
      row.push_back({.text = absl::StrCat(layer.dead_units(), "/", layer.units()), .style = Trouble(share, 0.1, 0.5)});
    } else {
      row.push_back({.text = "-", .style = Style::kDim});
    }
    const auto weight = parameters.find(layer.layer() + ".weight");
    if (gradients) {
      if (layer.frozen()) {
        row.push_back({.text = "frozen", .style = Style::kDim});
        row.push_back({.text = "-", .style = Style::kDim});
      } else if (weight != parameters.end()) {
        row.push_back(NumberSpan(weight->second->gradient_norm()));
        row.push_back(NumberSpan(weight->second->update_ratio()));
      } else {
        row.insert(row.end(), 2, {.text = "-", .style = Style::kDim});
      }
    }
    if (pruning && weight != parameters.end() && weight->second->has_sparsity()) {
      row.push_back({.text = FormatPercent(weight->second->sparsity())});
    } else if (pruning) {
      row.push_back({.text = "-", .style = Style::kDim});
    }
    if (layer.nan_count() + layer.inf_count() > 0) {
      row.push_back(
          {.text = absl::StrCat(layer.nan_count(), " NaN, ", layer.inf_count(), " Inf"), .style = Style::kBad});
    } else {
      row.push_back({.text = HistogramBlocks(layer.histogram(), kHistogramCells, logarithmic)});
    }
    table.Add(std::move(row));
  }
  return table;
}

std::string RenderLiveView(const JobView& view, const LiveViewOptions& options) {
  std::vector<StyledLine> lines;
  lines.push_back(Header(view));
  lines.push_back(ProgressLine(view, options));
  if (const auto standing = StandingLine(view)) lines.push_back(*standing);
  if (const auto waits = DataWaitLine(view)) lines.push_back(*waits);
  AddMetrics(view, options.width, lines);
  if (view.preprocessing()) AddPreprocessing(*view.preprocessing(), lines);
  if (!options.connection.empty()) lines.push_back(StyledLine().Add(Printable(options.connection), Style::kWarning));

  std::vector<StyledLine> layers;
  if (view.statistics().layers_size() > 0) {
    layers = LayerTable(view.statistics(), options.logarithmic).Lines(options.width);
  }
  // The height goes to the head, then some events, then the layers, then more events.
  const int rest = options.height - static_cast<int>(lines.size());
  const int notes = static_cast<int>(view.notes().size());
  const int table = static_cast<int>(layers.size());
  int note_room = std::min(notes, kMinEventLines);
  int table_room = table == 0 ? 0 : std::clamp(rest - note_room - 2, 0, table + 1) - 1;  // Blank lines before both.
  if (table_room < 2) table_room = 0;
  note_room = std::clamp(rest - (table_room > 0 ? table_room + 1 : 0) - 1, 0, std::min(notes, 8));

  if (table_room > 0) {
    lines.emplace_back();
    const bool cut = table_room < table;
    for (int i = 0; i < table_room - (cut ? 1 : 0); ++i) lines.push_back(layers[static_cast<size_t>(i)]);
    if (cut) {
      lines.push_back(StyledLine().Add(
          absl::StrCat("... and ", table - table_room + 1, " more layers: make the window taller"), Style::kDim));
    }
  }
  if (note_room > 0) {
    lines.emplace_back();
    const std::string left_out =
        options.summary_follows && view.error() ? absl::StrCat(": ", view.error()->message()) : "";
    for (int i = notes - note_room; i < notes; ++i) {
      lines.push_back(NoteLine(view.notes()[static_cast<size_t>(i)], left_out));
    }
  }
  if (static_cast<int>(lines.size()) > options.height) lines.resize(static_cast<size_t>(std::max(options.height, 0)));
  std::string frame;
  for (const StyledLine& line : lines) absl::StrAppend(&frame, line.Render(options.width, options.color), "\n");
  return frame;
}

namespace {

std::string TrainSplit(const v1::Job& job) {
  const std::string& split = job.spec().data().train_split();
  return split.empty() ? "train" : split;
}

// Rounds of pruning cannot be made longer, nor can a training that early stopping has ended.
bool MayTrainOn(const v1::Job& job) {
  return !job.spec().has_lottery_ticket() && !absl::StartsWith(job.state_reason(), "early stopping");
}

constexpr size_t kFindingsTold = 3;  // In a summary.

// Open causes that cost something, the worst first.
std::vector<const v1::Finding*> WorstFindings(const JobView& view) {
  std::vector<const v1::Finding*> worst;
  for (const auto& [id, finding] : view.findings()) {
    const bool open = finding.state() == v1::Finding::STATE_OPEN && finding.root().empty();
    if (open && finding.severity() >= v1::Finding::SEVERITY_WARNING) worst.push_back(&finding);
  }
  std::stable_sort(worst.begin(), worst.end(), [](const v1::Finding* a, const v1::Finding* b) {
    return a->severity() != b->severity() ? a->severity() > b->severity() : a->first_step() < b->first_step();
  });
  return worst;
}

}  // namespace

std::string RenderSummary(const JobView& view, bool color, bool error_was_said) {
  const v1::Job& job = view.job();
  const std::string id = ShortName(job.name());
  constexpr int kWide = 1000;  // Nothing is cut: the terminal may wrap.
  std::string text;
  const auto say = [&](const StyledLine& line) { absl::StrAppend(&text, line.Render(kWide, color), "\n"); };

  say(StyledLine()
          .Add(absl::StrCat(job.name(), " "))
          .Add(EnumName(view.state()), StateStyle(view.state()))
          .Add(absl::StrCat(" after ", view.step(), " steps in ", FormatElapsed(view.Elapsed(absl::InfinitePast())))));
  if (view.error()) {
    if (!error_was_said) say(StyledLine().Add(Printable(view.error()->message()), Style::kBad));
    for (const std::string& log_line : view.error()->last_log_lines())
      say(StyledLine().Add("  | " + Printable(log_line)));
  }
  if (view.evaluation())
    say(StyledLine().Add("evaluation: ").Add(DescribeEvaluation(*view.evaluation()), Style::kBold));
  if (const auto& best = view.best_evaluation();
      best && best->second.has_best_metric_value() && !view.evaluation()->best()) {
    const auto& [step, evaluation] = *best;
    say(StyledLine()
            .Add("best:       ")
            .Add(absl::StrCat("step ", step, " by ", evaluation.best_metric(), " ",
                              FormatNumber(evaluation.best_metric_value()), ": ", DescribeEvaluation(evaluation))));
  }
  if (view.test()) {
    say(StyledLine().Add("TEST:       ").Add(DescribeEvaluation(*view.test()) + WeightsOf(*view.test()), Style::kBold));
  }
  if (!view.checkpoint().empty()) {
    const bool other_is_best = !view.best_checkpoint().empty() && view.best_checkpoint() != view.checkpoint();
    say(StyledLine().Add(absl::StrCat("checkpoint: ", view.checkpoint(),
                                      other_is_best ? ", the best is " + view.best_checkpoint() : "")));
  }
  const std::vector<const v1::Finding*> worst = WorstFindings(view);
  for (size_t i = 0; i < std::min(worst.size(), kFindingsTold); ++i) {
    say(StyledLine().Add(Printable(DescribeFinding(*worst[i])), SeverityStyle(*worst[i])));
  }
  say(StyledLine().Add("try next:", Style::kDim));
  const auto suggest = [&](const std::string& command, absl::string_view purpose) {
    say(StyledLine().Add("  " + PadRight("trainctl " + command, 34)).Add(absl::StrCat(" # ", purpose), Style::kDim));
  };
  if (!view.checkpoint().empty()) {
    const std::string best = view.best_checkpoint().empty() ? id : id + "/best";
    // A job that evaluates nothing has no split that could be meant without a word.
    const std::string split = view.evaluation() ? "" : " --split " + TrainSplit(job);
    suggest("model eval " + best + split, "loss and accuracy");
    suggest("model predict " + id + split, "outputs for ten examples");
    suggest("model download " + best, "the weights, as safetensors");
  }
  if (!view.findings().empty()) suggest("findings " + id, "what was found in it, and what helps");
  suggest("watch " + id + " --snapshot", "the inside of its layers");
  if (view.state() == v1::JOB_STATE_SUCCEEDED && view.step() > 0 && MayTrainOn(job)) {
    suggest(absl::StrCat("extend ", id, " --steps ", 2 * view.step()), "train it as long again");
  } else if (view.state() != v1::JOB_STATE_SUCCEEDED && !view.checkpoint().empty()) {
    suggest("resume " + id, "go on from its checkpoint");
  }
  return text;
}

}  // namespace traind::client
