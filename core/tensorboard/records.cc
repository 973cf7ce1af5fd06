#include "core/tensorboard/records.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "core/tensorboard/graph.h"
#include "core/tensorboard/wire.h"

namespace traind::tensorboard {
namespace {

void AddScalar(const std::string& tag, double value, Summary& summary) {
  Summary::Value& added = *summary.add_value();
  added.set_tag(tag);
  added.set_simple_value(static_cast<float>(value));
}

void AddHyperParameters(const std::string& tag, const HyperParameters& data, Summary& summary) {
  Summary::Value& added = *summary.add_value();
  added.set_tag(tag);
  auto& plugin = *added.mutable_metadata()->mutable_plugin_data();
  plugin.set_plugin_name("hparams");
  plugin.set_content(Bytes(data));
}

void AddTrain(const v1::TrainMetrics& train, Summary& summary) {
  AddScalar("loss/train", train.loss(), summary);
  if (train.penalty() != 0) AddScalar("penalty/train", train.penalty(), summary);
  if (train.has_accuracy()) AddScalar("accuracy/train", train.accuracy(), summary);
  AddScalar("learning_rate", train.learning_rate(), summary);
  AddScalar("gradient_norm", train.gradient_norm(), summary);
}

void AddEvaluation(const v1::EvaluationMetrics& evaluation, Summary& summary) {
  AddScalar(absl::StrCat("loss/", evaluation.split()), evaluation.loss(), summary);
  if (evaluation.has_accuracy())
    AddScalar(absl::StrCat("accuracy/", evaluation.split()), evaluation.accuracy(), summary);
  if (evaluation.has_spread()) AddScalar(absl::StrCat("spread/", evaluation.split()), evaluation.spread(), summary);
}

void AddTiming(const v1::Timing& timing, Summary& summary) {
  if (timing.step_ms() == 0) return;
  AddScalar("time/step_ms", timing.step_ms(), summary);
  AddScalar("time/data_wait_ms", timing.data_wait_ms(), summary);
  AddScalar("time/examples_per_second", timing.examples_per_second(), summary);
}

void AddHistogram(const std::string& tag, const v1::LayerStatistics& layer, Summary& summary) {
  const v1::Histogram& from = layer.histogram();
  if (from.counts().empty()) return;
  Summary::Value& added = *summary.add_value();
  added.set_tag(tag);
  Distribution& to = *added.mutable_histo();
  const double low = from.low(), high = from.high(), mean = layer.mean(), std = layer.std();
  to.set_min(low);
  to.set_max(high);
  // All values that are the same are in the first bin.
  const int bins = low < high ? from.counts_size() : 1;
  double num = 0;
  for (int i = 0; i < bins; ++i) {
    to.add_bucket_limit(i + 1 == bins ? high : low + (high - low) * (i + 1) / bins);
    to.add_bucket(static_cast<double>(from.counts(i)));
    num += static_cast<double>(from.counts(i));
  }
  to.set_num(num);
  to.set_sum(mean * num);
  to.set_sum_squares((mean * mean + std * std) * num);
}

void AddStatistics(const v1::StatisticsReport& report, Summary& summary) {
  for (const v1::LayerStatistics& layer : report.layers()) {
    const auto add = [&](const char* name, double value) {
      AddScalar(absl::StrCat("layers/", layer.layer(), "/", name), value, summary);
    };
    add("mean", layer.mean());
    add("std", layer.std());
    add("zeros", layer.zero_fraction());
    if (layer.has_saturated_fraction()) add("saturated", layer.saturated_fraction());
    if (layer.has_dead_units()) add("dead_units", static_cast<double>(layer.dead_units()));
    AddHistogram(absl::StrCat("outputs/", layer.layer()), layer, summary);
  }
  for (const v1::ParameterStatistics& parameter : report.parameters()) {
    const auto add = [&](const char* name, double value) {
      AddScalar(absl::StrCat("parameters/", parameter.name(), "/", name), value, summary);
    };
    add("weight_norm", parameter.weight_norm());
    add("gradient_norm", parameter.gradient_norm());
    add("update_ratio", parameter.update_ratio());
    if (parameter.has_sparsity()) add("sparsity", parameter.sparsity());
  }
}

// The end of a session; a job that is resumed has a later one.
void AddEnd(const v1::Event& event, Summary& summary) {
  const v1::JobState state = event.state().state();
  const bool succeeded = state == v1::JOB_STATE_SUCCEEDED;
  if (!succeeded && state != v1::JOB_STATE_FAILED && state != v1::JOB_STATE_CANCELLED) return;
  HyperParameters end;
  end.mutable_session_end_info()->set_status(succeeded ? 1 : 2);
  end.mutable_session_end_info()->set_end_time_secs(Seconds(event.time()));
  AddHyperParameters("_hparams_/session_end_info", end, summary);
}

}  // namespace

std::string BeginRecords(const v1::Job& job) {
  const double time = Seconds(job.create_time());
  const v1::JobSpec& spec = job.has_resolved_spec() ? job.resolved_spec() : job.spec();
  HyperParameters start;
  auto& session = *start.mutable_session_start_info();
  AddSettings(spec, *session.mutable_hparams());
  session.set_group_name(job.name());
  session.set_start_time_secs(time);
  Record settings;
  AddHyperParameters("_hparams_/session_start_info", start, *settings.mutable_summary());
  Record graph;
  graph.set_graph_def(Bytes(GraphOf(spec.network())));
  return absl::StrCat(FramedVersion(time, job.uid()), Framed(std::move(settings), time, job.uid(), 0),
                      Framed(std::move(graph), time, job.uid(), 0));
}

std::string RecordOf(const v1::Event& event, const std::string& job_uid) {
  Record record;
  Summary& summary = *record.mutable_summary();
  if (event.has_train()) AddTrain(event.train(), summary);
  if (event.has_evaluation()) AddEvaluation(event.evaluation(), summary);
  if (event.has_test()) AddEvaluation(event.test(), summary);
  if (event.has_statistics()) AddStatistics(event.statistics(), summary);
  if (event.has_state()) AddEnd(event, summary);
  if (event.has_train()) AddTiming(event.timing(), summary);
  if (summary.value().empty()) return "";
  record.set_step(static_cast<int64_t>(event.step()));
  return Framed(std::move(record), Seconds(event.time()), job_uid, event.sequence());
}

int64_t SequenceOf(absl::string_view record, const std::string& job_uid) {
  Record parsed;
  if (!parsed.ParseFromArray(record.data(), static_cast<int>(record.size()))) return -1;
  const std::vector<absl::string_view> words = absl::StrSplit(parsed.source().writer(), ' ');
  int64_t sequence = 0;
  const bool ours = words.size() == 3 && words[0] == "traind" && words[1] == job_uid;
  return ours && absl::SimpleAtoi(words[2], &sequence) && sequence >= 0 ? sequence : -1;
}

}  // namespace traind::tensorboard
