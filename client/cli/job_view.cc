#include "client/cli/job_view.h"

#include "absl/strings/str_cat.h"
#include "client/enum_names.h"
#include "client/names.h"

namespace traind::client {

bool IsTerminal(v1::JobState state) {
  return state == v1::JOB_STATE_SUCCEEDED || state == v1::JOB_STATE_FAILED || state == v1::JOB_STATE_CANCELLED;
}

absl::Time ToTime(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

absl::Duration ToDuration(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

std::string DescribeEvaluation(const v1::EvaluationMetrics& metrics) {
  return absl::StrCat(metrics.has_accuracy() ? absl::StrCat("accuracy ", FormatPercent(metrics.accuracy()), ", ") : "",
                      "loss ", FormatNumber(metrics.loss()), " on ", metrics.split(), " (",
                      FormatCount(static_cast<double>(metrics.examples())), " examples)",
                      metrics.has_spread() ? absl::StrCat(", spread ", FormatNumber(metrics.spread())) : "");
}

void JobView::SetJob(const v1::Job& job) {
  job_ = job;
  if (!state_from_event_) state_ = job.state();
  if (job.has_start_time()) start_ = ToTime(job.start_time());
  if (job.has_end_time()) end_ = ToTime(job.end_time());
  if (job.has_error()) error_ = job.error();
}

void JobView::AddNote(const v1::Event& event, absl::string_view text, Style style) {
  notes_.push_back({.time = ToTime(event.time()), .step = event.step(), .text = Printable(text), .style = style});
  if (notes_.size() > kNotes) notes_.pop_front();
}

void JobView::Apply(const v1::Event& event) {
  step_ = event.step();
  epoch_ = event.epoch();
  switch (event.kind_case()) {
    case v1::Event::kState: {
      const v1::StateChange& change = event.state();
      state_ = change.state();
      state_from_event_ = true;
      if (state_ == v1::JOB_STATE_RUNNING && !start_) start_ = ToTime(event.time());
      if (IsTerminal(state_)) end_ = ToTime(event.time());
      if (change.has_error()) error_ = change.error();
      AddNote(event,
              absl::StrCat(EnumName(state_), change.reason().empty() ? "" : ": ", change.reason(),
                           change.error().message().empty() ? "" : ": ", change.error().message()),
              state_ == v1::JOB_STATE_FAILED                               ? Style::kBad
              : state_ == v1::JOB_STATE_QUEUED && !change.reason().empty() ? Style::kWarning
                                                                           : Style::kPlain);
      break;
    }
    case v1::Event::kTrain:
      train_ = event.train();
      timing_ = event.timing();
      train_loss_.Add(event.train().loss());
      gradient_norm_.Add(event.train().gradient_norm());
      if (event.train().has_accuracy()) train_accuracy_.Add(event.train().accuracy());
      break;
    case v1::Event::kEvaluation:
      evaluation_ = event.evaluation();
      evaluation_loss_.Add(event.evaluation().loss());
      if (event.evaluation().has_accuracy()) evaluation_accuracy_.Add(event.evaluation().accuracy());
      AddNote(event, absl::StrCat("evaluation: ", DescribeEvaluation(event.evaluation()),
                                  event.evaluation().best() ? ", the best so far" : ""));
      break;
    case v1::Event::kStatistics:
      statistics_ = event.statistics();
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
    case v1::Event::KIND_NOT_SET:
      break;
  }
}

absl::Duration JobView::Elapsed(absl::Time now) const {
  return start_ ? end_.value_or(now) - *start_ : absl::ZeroDuration();
}

}  // namespace traind::client
