#include "client/cli/job_view.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/finding_view.h"
#include "client/enum_names.h"
#include "client/names.h"

namespace traind::client {

bool IsTerminal(v1::JobState state) {
  return state == v1::JOB_STATE_SUCCEEDED || state == v1::JOB_STATE_FAILED || state == v1::JOB_STATE_CANCELLED;
}

bool HasWorker(v1::JobState state) {
  return state == v1::JOB_STATE_RUNNING || state == v1::JOB_STATE_CANCELLING || state == v1::JOB_STATE_PAUSING ||
         state == v1::JOB_STATE_STOPPING;
}

Style StateStyle(v1::JobState state) {
  switch (state) {
    case v1::JOB_STATE_SUCCEEDED:
      return Style::kGood;
    case v1::JOB_STATE_FAILED:
      return Style::kBad;
    case v1::JOB_STATE_CANCELLING:
    case v1::JOB_STATE_CANCELLED:
    case v1::JOB_STATE_PAUSING:
    case v1::JOB_STATE_PAUSED:
      return Style::kWarning;
    case v1::JOB_STATE_QUEUED:
      return Style::kDim;
    default:
      return Style::kBold;
  }
}

std::string DisplayName(const v1::Job& job) {
  return job.display_name().empty() ? job.spec().display_name() : job.display_name();
}

std::string DescribeQueue(const v1::QueueStatus& queue) {
  std::vector<std::string> parts;
  if (queue.place() > 0) parts.push_back(absl::StrCat("place ", queue.place()));
  if (!queue.reason().empty()) parts.push_back(queue.reason());
  std::string text = absl::StrJoin(parts, ": ");
  if (queue.blocked_by_size() > 0) absl::StrAppend(&text, "; behind ", absl::StrJoin(queue.blocked_by(), ", "));
  return text;
}

absl::Time ToTime(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

absl::Duration ToDuration(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

std::string FormatMinute(const google::protobuf::Timestamp& time) {
  return absl::FormatTime("%Y-%m-%d %H:%M", ToTime(time), absl::LocalTimeZone());
}

std::string FormatSecond(const google::protobuf::Timestamp& time) {
  return absl::FormatTime("%Y-%m-%d %H:%M:%S", ToTime(time), absl::LocalTimeZone());
}

std::string DescribeEvaluation(const v1::EvaluationMetrics& metrics) {
  return absl::StrCat(metrics.has_accuracy() ? absl::StrCat("accuracy ", FormatPercent(metrics.accuracy()), ", ") : "",
                      "loss ", FormatNumber(metrics.loss()), " on ", metrics.split(), " (",
                      FormatCount(static_cast<double>(metrics.examples())), " examples)",
                      metrics.has_spread() ? absl::StrCat(", spread ", FormatNumber(metrics.spread())) : "");
}

std::string DescribeBestMetric(const v1::EvaluationMetrics& metrics) {
  const bool shown = metrics.best_metric() == "loss" || metrics.best_metric() == "accuracy";
  if (shown || !metrics.has_best_metric_value()) return "";
  return absl::StrCat(metrics.best_metric(), " ", FormatNumber(metrics.best_metric_value()));
}

std::string WeightsOf(const v1::EvaluationMetrics& metrics) {
  if (!metrics.has_weights_step()) return "";
  return absl::StrCat(", with the weights of step ", metrics.weights_step());
}

namespace {

// Behind the description of an evaluation: ", macro_f1 0.8123, the best so far".
std::string BestNote(const v1::EvaluationMetrics& metrics) {
  const std::string metric = DescribeBestMetric(metrics);
  const bool by_accuracy = metrics.best_metric() == "accuracy";
  return absl::StrCat(metric.empty() ? "" : absl::StrCat(", ", metric),
                      metrics.best() ? (by_accuracy ? ", the best accuracy so far" : ", the best so far") : "");
}

}  // namespace

void JobView::SetJob(const v1::Job& job) {
  const v1::JobSpec spec = job.has_spec() ? job.spec() : job_.spec();
  job_ = job;
  *job_.mutable_spec() = spec;
  if (!state_from_event_) state_ = job.state();
  if (job.has_start_time()) start_ = ToTime(job.start_time());
  end_ = std::nullopt;
  if (job.has_end_time()) end_ = ToTime(job.end_time());
  if (!HasWorker(job.state())) {
    attempt_ = std::nullopt;
  } else if (!attempt_ && start_) {
    // The record knows the time of its newest change, not that of the attempt.
    attempt_ = job.attempts() > 1 && job.has_update_time() ? ToTime(job.update_time()) : *start_;
  }
  if (job.has_error()) error_ = job.error();
}

void JobView::AddNote(const v1::Event& event, absl::string_view text, Style style) {
  notes_.push_back({.time = ToTime(event.time()), .step = event.step(), .text = Printable(text), .style = style});
  if (notes_.size() > kNotes) notes_.pop_front();
}

void JobView::ApplyState(const v1::Event& event) {
  const v1::StateChange& change = event.state();
  const absl::Time time = ToTime(event.time());
  state_ = change.state();
  state_from_event_ = true;
  if (state_ == v1::JOB_STATE_RUNNING) {
    if (!start_) start_ = time;
    // Of a job without a worker the record counts all attempts of its time.
    if (HasWorker(job_.state()) || event.sequence() > job_.last_sequence()) attempt_ = time;
  }
  end_ = std::nullopt;  // A job that had ended may be resumed or extended.
  if (!HasWorker(state_)) end_ = time;
  if (change.has_error()) error_ = change.error();
  if (!IsTerminal(state_)) error_ = std::nullopt;
  const bool crashed = state_ == v1::JOB_STATE_QUEUED && !change.reason().empty();
  const bool held = state_ == v1::JOB_STATE_PAUSED || state_ == v1::JOB_STATE_CANCELLED;
  const std::string& why = change.has_error() ? change.error().message() : change.reason();
  AddNote(event, absl::StrCat(EnumName(state_), why.empty() ? "" : ": ", why),
          state_ == v1::JOB_STATE_FAILED ? Style::kBad
          : crashed || held              ? Style::kWarning
                                         : Style::kPlain);
}

void JobView::Apply(const v1::Event& event) {
  step_ = event.step();
  epoch_ = event.epoch();
  switch (event.kind_case()) {
    case v1::Event::kState:
      ApplyState(event);
      break;
    case v1::Event::kTrain:
      train_ = event.train();
      timing_ = event.timing();
      train_loss_.Add(event.train().has_mean_loss() ? event.train().mean_loss() : event.train().loss());
      gradient_norm_.Add(event.train().gradient_norm());
      if (event.train().has_accuracy()) {
        train_accuracy_.Add(event.train().has_mean_accuracy() ? event.train().mean_accuracy()
                                                              : event.train().accuracy());
      }
      break;
    case v1::Event::kEvaluation:
      evaluation_ = event.evaluation();
      evaluation_loss_.Add(event.evaluation().loss());
      if (event.evaluation().has_accuracy()) evaluation_accuracy_.Add(event.evaluation().accuracy());
      if (event.evaluation().best()) best_evaluation_ = {event.step(), event.evaluation()};
      AddNote(event,
              absl::StrCat("evaluation: ", DescribeEvaluation(event.evaluation()), BestNote(event.evaluation())));
      break;
    case v1::Event::kTest:
      test_ = event.test();
      AddNote(event, absl::StrCat("TEST: ", DescribeEvaluation(event.test()), WeightsOf(event.test())), Style::kBold);
      break;
    case v1::Event::kStatistics:
      if (!event.statistics().thinned()) statistics_ = event.statistics();
      break;
    case v1::Event::kCheckpoint:
      checkpoint_ = event.checkpoint().name();
      if (event.checkpoint().best()) best_checkpoint_ = checkpoint_;
      AddNote(event, absl::StrCat("checkpoint ", ShortName(checkpoint_), " saved, ",
                                  FormatBytes(event.checkpoint().size_bytes()),
                                  event.checkpoint().best() ? ", the best so far" : ""));
      break;
    case v1::Event::kLog:
      AddNote(event, event.log().text(),
              event.log().level() == v1::LogLine::LEVEL_ERROR     ? Style::kBad
              : event.log().level() == v1::LogLine::LEVEL_WARNING ? Style::kWarning
                                                                  : Style::kPlain);
      break;
    case v1::Event::kPreprocessing:
      preprocessing_ = event.preprocessing();
      break;
    case v1::Event::kFinding:
      ApplyFinding(event);
      break;
    case v1::Event::kData:
    case v1::Event::KIND_NOT_SET:
      break;
  }
}

// What stands in the spec was warned of when the job was made.
void JobView::ApplyFinding(const v1::Event& event) {
  const v1::Finding& finding = event.finding();
  findings_[finding.id()] = finding;
  if (finding.warned()) return;
  AddNote(event, DescribeFinding(finding), SeverityStyle(finding));
}

absl::Duration JobView::Elapsed(absl::Time now) const {
  if (!start_) return absl::ZeroDuration();
  const absl::Time until = end_.value_or(now);
  if (!job_.has_trained()) return until - *start_;
  return ToDuration(job_.trained()) +
         (attempt_ ? std::max(until - *attempt_, absl::ZeroDuration()) : absl::ZeroDuration());
}

}  // namespace traind::client
