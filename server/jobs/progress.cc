#include "server/jobs/progress.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "core/data/held_out.h"
#include "core/job/duration.h"
#include "google/protobuf/util/time_util.h"
#include "server/resources/job_state.h"

namespace traind::server {

using google::protobuf::util::TimeUtil;

namespace {

absl::Duration ToDuration(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

void NoteBest(const v1::Event& event, v1::BestEvaluation& best) {
  const v1::EvaluationMetrics& evaluation = event.evaluation();
  const bool named = evaluation.has_best_metric_value();  // Not by workers before version 0.3.
  best.set_metric(named ? evaluation.best_metric() : "loss");
  best.set_value(named ? evaluation.best_metric_value() : evaluation.loss());
  best.set_step(event.step());
}

}  // namespace

void ApplyEvent(const v1::Event& event, v1::JobProgress& progress) {
  if (!event.has_state() && !event.has_log()) progress.set_step(std::max(progress.step(), event.step()));
  if (event.timing().has_remaining()) *progress.mutable_remaining() = event.timing().remaining();
  switch (event.kind_case()) {
    case v1::Event::kTrain:
      progress.set_loss(event.train().loss());
      if (event.train().has_mean_loss()) progress.set_mean_loss(event.train().mean_loss());
      break;
    case v1::Event::kEvaluation:
      progress.set_evaluation_loss(event.evaluation().loss());
      if (event.evaluation().has_accuracy()) progress.set_evaluation_accuracy(event.evaluation().accuracy());
      if (event.evaluation().best()) NoteBest(event, *progress.mutable_best());
      break;
    case v1::Event::kTest:
      progress.set_test_loss(event.test().loss());
      if (event.test().has_accuracy()) progress.set_test_accuracy(event.test().accuracy());
      break;
    case v1::Event::kCheckpoint:
      progress.set_checkpoint_step(event.step());
      break;
    case v1::Event::kState:
      if (event.state().state() != v1::JOB_STATE_RUNNING) progress.clear_remaining();
      break;
    default:
      break;
  }
}

std::string GoingOn(const v1::Job& job) {
  return absl::StrCat("going on from step ", job.progress().checkpoint_step(),
                      job.stop_reason().empty() ? "" : absl::StrCat(", to end early: ", job.stop_reason()));
}

std::string WouldGoOn(const v1::Job& job) {
  return absl::StrCat("a resume goes on from step ", job.progress().checkpoint_step());
}

void AddTrained(absl::Duration attempt, v1::Job& job) {
  const absl::Duration trained = ToDuration(job.trained()) + attempt;
  *job.mutable_trained() = TimeUtil::NanosecondsToDuration(absl::ToInt64Nanoseconds(trained));
}

absl::Duration MaxDurationLeft(const v1::Job& job) {
  if (!job.resolved_spec().has_max_duration()) return absl::InfiniteDuration();
  return ToDuration(job.resolved_spec().max_duration()) - ToDuration(job.trained());
}

std::string TimeIsOver(const v1::Job& job) {
  return absl::StrCat("max_duration of ", absl::FormatDuration(ToDuration(job.resolved_spec().max_duration())),
                      " is over");
}

absl::Duration TimeLeft(const v1::Job& job) {
  absl::Duration left = MaxDurationLeft(job);
  // Without a worker it is an estimate of another attempt.
  if (HasWorker(job.state()) && job.progress().has_remaining()) {
    left = std::min(left, ToDuration(job.progress().remaining()));
  }
  return left;
}

void SetTotals(const v1::JobSpec& resolved, const v1::Dataset& dataset, v1::JobProgress& progress) {
  progress.set_steps_per_epoch(core::StepsPerEpoch(resolved, core::NumTrained(resolved.data(), dataset)));
  progress.set_total_steps(core::TotalSteps(resolved, progress.steps_per_epoch()));
}

}  // namespace traind::server
