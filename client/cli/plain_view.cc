#include "client/cli/plain_view.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/cli/job_view.h"
#include "client/cli/text.h"
#include "client/enum_names.h"

namespace traind::client {
namespace {

std::string State(const v1::StateChange& change) {
  std::string text = absl::StrCat("state ", EnumName(change.state()));
  if (change.attempt() > 0) absl::StrAppend(&text, " attempt=", change.attempt());
  const bool said = change.has_error() && absl::StrContains(change.error().message(), change.reason());
  if (!said && !change.reason().empty()) absl::StrAppend(&text, " reason=\"", Printable(change.reason()), "\"");
  if (change.has_error()) absl::StrAppend(&text, " error=\"", Printable(change.error().message()), "\"");
  return text;
}

std::string Train(const v1::TrainMetrics& train, const v1::Timing& timing) {
  std::string text = absl::StrFormat("train loss=%.6g", train.loss());
  if (train.has_accuracy()) absl::StrAppendFormat(&text, " accuracy=%.4f", train.accuracy());
  if (train.has_mean_loss()) absl::StrAppendFormat(&text, " mean_loss=%.6g", train.mean_loss());
  if (train.has_mean_accuracy()) absl::StrAppendFormat(&text, " mean_accuracy=%.4f", train.mean_accuracy());
  if (train.has_mean_loss()) absl::StrAppend(&text, " mean_steps=", train.mean_steps());
  if (train.penalty() != 0) absl::StrAppendFormat(&text, " penalty=%.6g", train.penalty());
  absl::StrAppendFormat(&text, " learning_rate=%.6g gradient_norm=%.4g", train.learning_rate(), train.gradient_norm());
  if (timing.examples_per_second() > 0) {
    absl::StrAppendFormat(&text, " examples_per_second=%.0f step_ms=%.4g", timing.examples_per_second(),
                          timing.step_ms());
    if (timing.data_wait_ms() > 0) absl::StrAppendFormat(&text, " data_wait_ms=%.3g", timing.data_wait_ms());
  }
  if (timing.has_remaining()) {
    absl::StrAppendFormat(&text, " remaining_seconds=%.0f", absl::ToDoubleSeconds(ToDuration(timing.remaining())));
  }
  return text;
}

// `what` is "evaluation" or "test".
std::string Evaluation(absl::string_view what, const v1::EvaluationMetrics& evaluation) {
  std::string text = absl::StrFormat("%s split=%s loss=%.6g", what, evaluation.split(), evaluation.loss());
  if (evaluation.has_accuracy()) absl::StrAppendFormat(&text, " accuracy=%.4f", evaluation.accuracy());
  if (evaluation.has_spread()) absl::StrAppendFormat(&text, " spread=%.6g", evaluation.spread());
  if (evaluation.has_best_metric_value() && evaluation.best_metric() != "loss" &&
      evaluation.best_metric() != "accuracy") {
    absl::StrAppendFormat(&text, " %s=%.6g", evaluation.best_metric(), evaluation.best_metric_value());
  }
  if (evaluation.has_weights_step()) absl::StrAppend(&text, " weights_step=", evaluation.weights_step());
  absl::StrAppend(&text, " examples=", evaluation.examples(), evaluation.best() ? " best" : "");
  return text;
}

// The report's worst in one line.
std::string Statistics(const v1::StatisticsReport& report) {
  int64_t dead = 0, non_finite = 0;
  const v1::LayerStatistics* saturated = nullptr;
  for (const v1::LayerStatistics& layer : report.layers()) {
    dead += layer.dead_units();
    non_finite += layer.nan_count() + layer.inf_count();
    if (layer.has_saturated_fraction() &&
        (saturated == nullptr || layer.saturated_fraction() > saturated->saturated_fraction())) {
      saturated = &layer;
    }
  }
  std::string text =
      absl::StrCat("statistics layers=", report.layers_size(), " dead_units=", dead, " nan_or_inf=", non_finite);
  if (saturated != nullptr) {
    absl::StrAppendFormat(&text, " most_saturated=%s:%.4f", saturated->layer(), saturated->saturated_fraction());
  }
  return text;
}

std::string Preprocessing(const v1::PreprocessingReport& report) {
  std::string text = "preprocessing";
  const auto add = [&](absl::string_view when, const v1::DataMoments& moments) {
    absl::StrAppendFormat(&text,
                          " features_%1$s=%2$d mean_%1$s=%3$.4g..%4$.4g variance_%1$s=%5$.4g..%6$.4g "
                          "correlation_%1$s=%7$.4g",
                          when, moments.features(), moments.mean_min(), moments.mean_max(), moments.variance_min(),
                          moments.variance_max(), moments.mean_absolute_correlation());
  };
  add("before", report.before());
  add("after", report.after());
  return text;
}

std::string Finding(const v1::Finding& finding) {
  std::string text = absl::StrCat("finding id=", finding.id(), " severity=", EnumName(finding.severity()),
                                  " state=", EnumName(finding.state()), " cause=\"", Printable(finding.cause()), "\"");
  if (!finding.evidence().quantity().empty()) {
    absl::StrAppendFormat(&text, " value=%.4g threshold=%.4g", finding.evidence().value(),
                          finding.evidence().threshold());
  }
  if (!finding.root().empty()) absl::StrAppend(&text, " root=", finding.root());
  if (!finding.fix().words().empty()) absl::StrAppend(&text, " fix=\"", Printable(finding.fix().words()), "\"");
  return text;
}

std::string Data(const v1::DataProfile& data) {
  return absl::StrFormat("data examples=%d features=%d mean=%.4g std=%.4g min=%.4g max=%.4g constant_features=%d",
                         data.examples(), data.features(), data.mean(), data.std(), data.min(), data.max(),
                         data.constant_features());
}

std::string Layer(const v1::LayerStatistics& layer, const v1::StatisticsReport& report) {
  std::string text = absl::StrFormat("layer name=%s mean=%.4g std=%.4g min=%.4g max=%.4g zeros=%.4f", layer.layer(),
                                     layer.mean(), layer.std(), layer.min(), layer.max(), layer.zero_fraction());
  if (layer.has_saturated_fraction()) absl::StrAppendFormat(&text, " saturated=%.4f", layer.saturated_fraction());
  if (layer.has_dead_units()) absl::StrAppend(&text, " dead=", layer.dead_units(), "/", layer.units());
  absl::StrAppend(&text, " nan=", layer.nan_count(), " inf=", layer.inf_count());
  if (layer.frozen()) absl::StrAppend(&text, " frozen");
  for (const v1::ParameterStatistics& parameter : report.parameters()) {
    if (!parameter.has_sparsity() || parameter.name() != layer.layer() + ".weight") continue;
    absl::StrAppendFormat(&text, " pruned=%.4f", parameter.sparsity());
  }
  return text;
}

}  // namespace

std::string PlainLines(const v1::Event& event, bool every_layer) {
  const std::string prefix = absl::StrFormat(
      "%s step=%d epoch=%.2f ", absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", ToTime(event.time()), absl::UTCTimeZone()),
      event.step(), event.epoch());
  switch (event.kind_case()) {
    case v1::Event::kState:
      return absl::StrCat(prefix, State(event.state()), "\n");
    case v1::Event::kTrain:
      return absl::StrCat(prefix, Train(event.train(), event.timing()), "\n");
    case v1::Event::kEvaluation:
      return absl::StrCat(prefix, Evaluation("evaluation", event.evaluation()), "\n");
    case v1::Event::kTest:
      return absl::StrCat(prefix, Evaluation("test", event.test()), "\n");
    case v1::Event::kStatistics: {
      const bool thinned = event.statistics().thinned();
      std::string lines = absl::StrCat(prefix, thinned ? "statistics thinned" : Statistics(event.statistics()), "\n");
      if (every_layer) {
        for (const v1::LayerStatistics& layer : event.statistics().layers()) {
          absl::StrAppend(&lines, prefix, Layer(layer, event.statistics()), "\n");
        }
      }
      return lines;
    }
    case v1::Event::kCheckpoint:
      return absl::StrCat(prefix, "checkpoint name=", event.checkpoint().name(),
                          " size_bytes=", event.checkpoint().size_bytes(), event.checkpoint().best() ? " best" : "",
                          "\n");
    case v1::Event::kLog:
      return absl::StrCat(prefix, "log level=", EnumName(event.log().level()), " text=\"",
                          Printable(event.log().text()), "\"\n");
    case v1::Event::kPreprocessing:
      return absl::StrCat(prefix, Preprocessing(event.preprocessing()), "\n");
    case v1::Event::kData:
      return absl::StrCat(prefix, Data(event.data()), "\n");
    case v1::Event::kFinding:
      return absl::StrCat(prefix, Finding(event.finding()), "\n");
    case v1::Event::KIND_NOT_SET:
      break;
  }
  return "";
}

std::string PlainQueueLine(const v1::Job& job, absl::Time now) {
  const v1::QueueStatus& queue = job.queue();
  std::string line = absl::StrCat(absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", now, absl::UTCTimeZone()),
                                  " step=", job.progress().step(), " queue");
  if (queue.place() > 0) absl::StrAppend(&line, " place=", queue.place());
  if (!queue.reason().empty()) absl::StrAppend(&line, " reason=\"", Printable(queue.reason()), "\"");
  if (queue.blocked_by_size() > 0) absl::StrAppend(&line, " behind=", absl::StrJoin(queue.blocked_by(), ","));
  return line + "\n";
}

}  // namespace traind::client
