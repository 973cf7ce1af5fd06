#include "client/cli/trial_report.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/cli/text.h"
#include "client/enum_names.h"
#include "client/names.h"

namespace traind::client {
namespace {

constexpr double kMargin = 0.02;  // Of the control's value: less is no help worth a new job.

using NumberOf = std::function<double(const TrialPoint&)>;

// The first step of the last quarter of the way to `step`.
uint64_t LastQuarter(const TrialRecord& record, uint64_t step) {
  const uint64_t way = step > record.first_step ? step - record.first_step : 0;
  return step - way / 4;
}

// The numbers of the last quarter, by step.
std::map<uint64_t, double> Tail(const TrialRecord& record, uint64_t step, const NumberOf& number) {
  std::map<uint64_t, double> tail;
  const TrialPoint* newest = nullptr;
  for (const TrialPoint& point : record.points) {
    if (point.step > step) continue;
    newest = &point;
    if (point.step > LastQuarter(record, step)) tail[point.step] = number(point);
  }
  if (tail.empty() && newest != nullptr) tail[newest->step] = number(*newest);
  return tail;
}

std::optional<double> MeanOf(const std::map<uint64_t, double>& values) {
  if (values.empty()) return std::nullopt;
  double sum = 0;
  for (const auto& [step, value] : values) sum += value;
  return sum / static_cast<double>(values.size());
}

// Of the mean difference of what both have at the same steps; 0: there are too few to say.
double StandardError(const std::map<uint64_t, double>& a, const std::map<uint64_t, double>& b) {
  std::vector<double> differences;
  for (const auto& [step, value] : a) {
    if (const auto other = b.find(step); other != b.end()) differences.push_back(value - other->second);
  }
  if (differences.size() < 3) return 0;
  double mean = 0, squares = 0;
  const double count = static_cast<double>(differences.size());
  for (const double difference : differences) mean += difference / count;
  for (const double difference : differences) squares += (difference - mean) * (difference - mean);
  return std::sqrt(squares / (count - 1) / count);
}

double LossOf(const TrialPoint& point) { return point.train.loss(); }
double StepTimeOf(const TrialPoint& point) { return point.step_ms; }

// Shares of right answers: larger ones are better.
bool IsShare(Measure measure) { return measure == Measure::kAccuracy || measure == Measure::kMacroRecall; }

std::optional<double> NumberOfEvaluation(const v1::EvaluationMetrics& evaluation, Measure measure) {
  if (measure == Measure::kMacroRecall) {
    const v1::ClassificationMetrics& classes = evaluation.classification();
    return classes.has_macro_recall() ? std::optional(classes.macro_recall()) : std::nullopt;
  }
  if (measure != Measure::kAccuracy) return evaluation.loss();
  return evaluation.has_accuracy() ? std::optional(evaluation.accuracy()) : std::nullopt;
}

// The evaluation's number that counts; nullopt: there is none.
std::optional<double> Evaluated(const TrialRecord& record, uint64_t step, Measure measure, bool best) {
  std::optional<double> number;
  for (const auto& [at, evaluation] : record.evaluations) {
    if (at > step || at <= record.first_step) continue;
    const std::optional<double> value = NumberOfEvaluation(evaluation, measure);
    if (!value) continue;
    const bool better = !number || (IsShare(measure) ? *value > *number : *value < *number);
    if (!best || better) number = value;
  }
  return number;
}

std::string NameOf(Measure measure) {
  switch (measure) {
    case Measure::kTrainLoss:
      return "training loss";
    case Measure::kEvaluationLoss:
      return "evaluation loss";
    case Measure::kAccuracy:
      return "evaluation accuracy";
    case Measure::kMacroRecall:
      return "mean recall of the evaluation's classes";
    case Measure::kStepTime:
      return "milliseconds of a step";
  }
  return "";
}

std::string NumberText(Measure measure, double value) {
  return IsShare(measure) ? FormatPercent(value) : FormatNumber(value);
}

std::string AgainText(const TrialRecord& record) {
  if (!record.again) return "did not come";
  return absl::StrCat(EnumName(record.again->severity()), " at step ", record.again_step);
}

// What is to be said of the finding itself, after the numbers.
std::string RecurrenceText(const TrialRecord& fixed, const TrialRecord& control) {
  if (fixed.again && control.again) {
    return fixed.again->severity() < control.again->severity() ? "; the finding came again, but milder"
                                                               : "; the finding came again all the same";
  }
  if (fixed.again) return "; the finding came with the fix only";
  return control.again ? "; the finding came again without it only" : "";
}

}  // namespace

Measure MeasureOf(const v1::Finding& finding) {
  const auto& paths = finding.fix().mask().paths();
  const auto all = [&](const auto& of) { return !paths.empty() && std::all_of(paths.begin(), paths.end(), of); };
  const auto any = [&](const auto& of) { return std::any_of(paths.begin(), paths.end(), of); };
  if (all([](const std::string& path) { return path == "data.prefetch_threads" || path == "threads"; })) {
    return Measure::kStepTime;
  }
  if (any([](const std::string& path) { return path == "loss" || absl::StartsWith(path, "loss."); })) {
    // Balanced weights cost accuracy, and are for the rare classes.
    return finding.rule() == "class_imbalance" ? Measure::kMacroRecall : Measure::kAccuracy;
  }
  const bool regularizes = any([](const std::string& path) {
    return absl::StartsWith(path, "early_stopping") || absl::StartsWith(path, "data.augmentation") ||
           absl::StartsWith(path, "optimizer.weight_decay");
  });
  return finding.has_split() || finding.rule() == "overfitting" || regularizes ? Measure::kEvaluationLoss
                                                                               : Measure::kTrainLoss;
}

std::optional<double> LastTrainLoss(const TrialRecord& record, uint64_t step) {
  return MeanOf(Tail(record, step, LossOf));
}

const v1::EvaluationMetrics* LastEvaluation(const TrialRecord& record, uint64_t step) {
  const v1::EvaluationMetrics* newest = nullptr;
  for (const auto& [at, evaluation] : record.evaluations) {
    if (at <= step) newest = &evaluation;
  }
  return newest;
}

Verdict Judge(const TrialRecord& fixed, const TrialRecord& control, Measure measure, uint64_t target,
              bool restores_best) {
  Verdict verdict;
  // A job that stopped itself, or FAILED, is compared where it came to.
  verdict.step = std::min({target, fixed.step, control.step});
  const uint64_t steps = verdict.step > fixed.first_step ? verdict.step - fixed.first_step : 0;
  const bool fixed_failed = fixed.state == v1::JOB_STATE_FAILED;
  const bool control_failed = control.state == v1::JOB_STATE_FAILED;
  if (fixed_failed || control_failed) {
    verdict.helps = !fixed_failed;
    const uint64_t reached = std::min(target, fixed.step);
    const std::optional<double> loss = LastTrainLoss(fixed, reached);
    verdict.sentence =
        fixed_failed
            ? absl::StrCat("the fix does not help: with it the job FAILED at step ", fixed.step, ": ", fixed.error)
            : absl::StrCat("the fix helps: without it the job FAILED at step ", control.step, ", with it step ",
                           reached, " was reached",
                           loss ? absl::StrCat(", at a training loss of ", FormatNumber(*loss)) : "");
    return verdict;
  }
  std::optional<double> with, without;
  double noise = 0;
  if (measure == Measure::kTrainLoss || measure == Measure::kStepTime) {
    const NumberOf number = measure == Measure::kTrainLoss ? LossOf : StepTimeOf;
    const auto a = Tail(fixed, verdict.step, number), b = Tail(control, verdict.step, number);
    with = MeanOf(a);
    without = MeanOf(b);
    noise = StandardError(a, b);
  } else {
    with = Evaluated(fixed, target, measure, restores_best);
    without = Evaluated(control, target, measure, false);
  }
  if (!with || !without) {
    verdict.sentence =
        absl::StrCat("the fix is not proven: no ", NameOf(measure), " was reported in ", steps, " steps");
    return verdict;
  }
  const double gain = IsShare(measure) ? *with - *without : *without - *with;
  verdict.helps =
      std::isfinite(*with) && (!std::isfinite(*without) || gain > std::max(kMargin * std::abs(*without), 2 * noise));
  const bool same = *with == *without;
  verdict.sentence = absl::StrCat(
      verdict.helps ? "the fix helps: " : "the fix does not help: ", NameOf(measure), " ", NumberText(measure, *with),
      same ? " with it and without it" : absl::StrCat(" instead of ", NumberText(measure, *without)), " after ", steps,
      " steps", !verdict.helps && gain > 0 ? ", which is no more than noise" : "", RecurrenceText(fixed, control));
  return verdict;
}

Table TrialTable(const TrialRecord& fixed, const TrialRecord& control, uint64_t step) {
  Table table({{.title = absl::StrCat("at step ", step)},
               {.title = "with the fix", .right = true},
               {.title = "without it", .right = true}});
  const auto add = [&](const std::string& name, const auto& text_of) {
    const std::string a = text_of(fixed), b = text_of(control);
    if (a == "-" && b == "-") return;
    table.Add({{.text = name, .style = Style::kDim}, {.text = a, .style = Style::kBold}, {.text = b}});
  };
  const auto mean = [&](const NumberOf& number) {
    return [&, number](const TrialRecord& record) {
      const std::optional<double> value = MeanOf(Tail(record, step, number));
      return value ? FormatNumber(*value) : std::string("-");
    };
  };
  add("job", [](const TrialRecord& record) { return ShortName(record.job); });
  add("training loss", mean(LossOf));
  add("training accuracy", [&](const TrialRecord& record) {
    const bool known = !record.points.empty() && record.points.back().train.has_accuracy();
    const auto value = known
                           ? MeanOf(Tail(record, step, [](const TrialPoint& point) { return point.train.accuracy(); }))
                           : std::nullopt;
    return value ? FormatPercent(*value) : std::string("-");
  });
  const auto evaluated = [&](const auto& text_of) {
    return [&, text_of](const TrialRecord& record) {
      const v1::EvaluationMetrics* evaluation = LastEvaluation(record, step);
      return evaluation == nullptr ? std::string("-") : std::string(text_of(*evaluation));
    };
  };
  add("evaluation loss", evaluated([](const auto& evaluation) { return FormatNumber(evaluation.loss()); }));
  add("evaluation accuracy", evaluated([](const auto& evaluation) {
        return evaluation.has_accuracy() ? FormatPercent(evaluation.accuracy()) : "-";
      }));
  add("mean recall of classes", evaluated([](const auto& evaluation) {
        const std::optional<double> recall = NumberOfEvaluation(evaluation, Measure::kMacroRecall);
        return recall ? FormatPercent(*recall) : "-";
      }));
  add("gradient norm", mean([](const TrialPoint& point) { return point.train.gradient_norm(); }));
  add("ms of a step", mean(StepTimeOf));
  add("the finding", AgainText);
  add("job's state", [](const TrialRecord& record) {
    return record.state == v1::JOB_STATE_FAILED ? std::string("FAILED") : std::string("-");
  });
  return table;
}

}  // namespace traind::client
