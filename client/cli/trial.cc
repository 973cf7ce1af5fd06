#include "client/cli/trial.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/synchronization/mutex.h"
#include "client/cli/curves.h"
#include "client/cli/interrupt.h"
#include "client/cli/job_view.h"
#include "client/cli/labels.h"
#include "client/cli/operation_view.h"
#include "client/cli/progress_bar.h"
#include "client/cli/text.h"
#include "client/enum_names.h"
#include "client/fix.h"
#include "client/names.h"

namespace traind::client {
namespace {

// Follows one job in a thread of its own, and pauses it when it has come to `target`. Thread-safe.
class TrialWatch {
 public:
  TrialWatch(Client client, const v1::Job& job, uint64_t first_step, uint64_t target, std::string finding)
      : client_(std::move(client)), target_(target), finding_(std::move(finding)) {
    record_.job = job.name();
    record_.first_step = record_.step = first_step;
    v1::WatchJobRequest request;
    request.set_name(job.name());
    request.set_uid(job.uid());
    for (const v1::EventKind kind :
         {v1::EVENT_KIND_STATE, v1::EVENT_KIND_TRAIN, v1::EVENT_KIND_EVALUATION, v1::EVENT_KIND_FINDING}) {
      request.add_kinds(kind);
    }
    watch_ = client_.WatchJob(request);
    thread_ = std::thread([this] { Run(); });
  }
  ~TrialWatch() {
    watch_->Cancel();
    thread_.join();
  }
  TrialWatch(const TrialWatch&) = delete;
  TrialWatch& operator=(const TrialWatch&) = delete;

  bool ended() const {
    absl::MutexLock lock(&mutex_);
    return ended_;
  }
  // Why it could not be followed to its target; OK: it was, or has not ended.
  absl::Status status() const {
    absl::MutexLock lock(&mutex_);
    return status_;
  }
  TrialRecord record() const {
    absl::MutexLock lock(&mutex_);
    return record_;
  }
  uint64_t step() const {
    absl::MutexLock lock(&mutex_);
    return record_.step;
  }

 private:
  void Run() {
    bool asked = false;
    while (true) {
      const absl::StatusOr<std::optional<v1::Event>> event = watch_->Next();
      if (!event.ok() || !event->has_value()) return End(event.status());
      Note(**event);
      if ((*event)->has_state()) {
        const v1::JobState state = (*event)->state().state();
        if (state == v1::JOB_STATE_SUCCEEDED || state == v1::JOB_STATE_FAILED) return End(absl::OkStatus());
        if (state == v1::JOB_STATE_PAUSED && asked) return End(absl::OkStatus());
        if (state == v1::JOB_STATE_PAUSED || state == v1::JOB_STATE_CANCELLED) {
          return End(absl::AbortedError(
              absl::StrCat(record_.job, " was ", EnumName(state), " by somebody before it came to step ", target_)));
        }
      }
      if (asked || (*event)->step() < target_) continue;
      asked = true;
      const absl::Status paused = client_.PauseJob(record_.job).status();
      // It may have come to its own end meanwhile, which the next events tell.
      if (!paused.ok() && !absl::IsFailedPrecondition(paused)) return End(paused);
    }
  }

  void Note(const v1::Event& event) {
    absl::MutexLock lock(&mutex_);
    record_.step = std::max(record_.step, event.step());
    if (event.has_state()) {
      record_.state = event.state().state();
      record_.error = event.state().error().message();
    } else if (event.has_train()) {
      record_.points.push_back({.step = event.step(), .train = event.train(), .step_ms = event.timing().step_ms()});
    } else if (event.has_evaluation()) {
      record_.evaluations.emplace_back(event.step(), event.evaluation());
    } else if (event.has_finding() && event.finding().id() == finding_ &&
               event.finding().state() == v1::Finding::STATE_OPEN && event.step() <= target_) {
      if (!record_.again || event.finding().severity() > record_.again->severity()) {
        record_.again = event.finding();
        record_.again_step = event.step();
      }
    }
  }

  void End(const absl::Status& status) {
    absl::MutexLock lock(&mutex_);
    status_ = status;
    ended_ = true;
  }

  Client client_;
  const uint64_t target_;
  const std::string finding_;
  std::unique_ptr<JobWatch> watch_;
  mutable absl::Mutex mutex_;
  TrialRecord record_;  // `job` never changes.
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;  // Last: it uses the others.
};

// "trial  ██████░░░░  60 %  cnn-fix-1 at step 180 of 300, cnn-control-1 at step 120".
std::string RenderProgress(const TrialPlan& plan, uint64_t fixed, uint64_t control, int width) {
  const auto done = [&](uint64_t step) {
    return std::clamp<uint64_t>(step, plan.first_step, plan.target()) - plan.first_step;
  };
  const double share =
      static_cast<double>(done(fixed) + done(control)) / static_cast<double>(2 * std::max<uint64_t>(plan.steps, 1));
  const std::string facts =
      absl::StrFormat(" %3d %%  %s at step %d of %d, %s at step %d", static_cast<int>(std::floor(100 * share)),
                      plan.fixed_id, fixed, plan.target(), plan.control_id, control);
  const int bar = std::clamp(width - DisplayWidth(facts) - 8, 5, 40);
  return Clip(absl::StrCat("trial  ", Bar(share, bar), facts), width);
}

// Cancels what was made; one that has ended already needs nothing.
void CancelBoth(const Context& context, Client& client, const std::vector<std::string>& jobs) {
  for (const std::string& job : jobs) {
    if (const absl::Status status = EndTrialJob(client, job); !status.ok()) {
      context.Note(absl::StrCat("warning: ", job, " could not be cancelled: ", status.message()));
    }
  }
}

// Where none of its own evaluations fell into the trial of a paused job, evaluates its checkpoint as it stands. False:
// Ctrl-C came. What fails is said, and leaves the record without.
bool EvaluateAtItsEnd(const Context& context, Client& client, const TrialPlan& plan, TrialRecord& record) {
  const bool has = std::any_of(record.evaluations.begin(), record.evaluations.end(), [&](const auto& one) {
    return one.first > plan.first_step && one.first <= plan.target();
  });
  if (!plan.evaluates || has || record.state != v1::JOB_STATE_PAUSED) return true;
  const absl::StatusOr<v1::Checkpoint> checkpoint =
      client.GetCheckpoint(absl::StrCat(record.job, "/checkpoints/latest"));
  if (!checkpoint.ok()) {
    context.Note(absl::StrCat("warning: ", record.job, " is not evaluated: ", checkpoint.status().message()));
    return true;
  }
  v1::EvaluateRequest request;
  request.mutable_model()->set_model(checkpoint->name());
  const int code =
      FinishOperation(context, client, client.Evaluate(request), false, [&](const v1::Operation& done) -> int {
        v1::EvaluationMetrics metrics;
        if (!done.response().UnpackTo(&metrics)) return kFailed;
        record.evaluations.emplace_back(plan.target(), metrics);
        return kOk;
      });
  if (code == kOk) {
    context.Note(absl::StrCat(record.job, " was evaluated as it stands, at step ", checkpoint->step(),
                              ": none of its own evaluations fell into the trial"));
  }
  return code != kDetached;
}

nlohmann::json RecordJson(const TrialRecord& record, uint64_t step) {
  nlohmann::json json = {{"job", record.job}, {"step", record.step}, {"state", EnumName(record.state)}};
  const std::optional<double> loss = LastTrainLoss(record, step);
  json["train_loss"] = loss ? nlohmann::json(*loss) : nlohmann::json();
  if (const v1::EvaluationMetrics* evaluation = LastEvaluation(record, step)) {
    json["evaluation_loss"] = evaluation->loss();
    if (evaluation->has_accuracy()) json["evaluation_accuracy"] = evaluation->accuracy();
  }
  json["finding_again"] = record.again.has_value();
  if (record.again) json["finding_severity"] = EnumName(record.again->severity());
  if (!record.error.empty()) json["error"] = record.error;
  return json;
}

}  // namespace

void LabelJob(const Context& context, Client& client, const std::string& name, const std::string& key,
              const std::string& value) {
  const std::vector<LabelChange> changes = {{.key = key, .value = value}};
  const absl::StatusOr<v1::Job> job = ChangeLabels<v1::Job>(
      name, changes, [&](const std::string& of) { return client.GetJob(of, v1::JOB_VIEW_BASIC); },
      [&](const v1::Job& changed) {
        v1::UpdateJobRequest request;
        *request.mutable_job() = changed;
        request.mutable_update_mask()->add_paths("labels");
        return client.UpdateJob(request);
      });
  if (!job.ok()) context.Note(absl::StrCat("warning: ", name, " has no label ", key, ": ", job.status().message()));
}

absl::Status EndTrialJob(Client& client, const std::string& job) {
  const absl::Status status = client.CancelJob(job).status();
  return absl::IsFailedPrecondition(status) ? absl::OkStatus() : status;
}

void SayPlan(const Context& context, const TrialPlan& plan) {
  context.Note(absl::StrCat("trying it for ", plan.steps, " steps from ",
                            plan.checkpoint.empty() ? "the beginning" : plan.checkpoint, " (", plan.why, ") in ",
                            plan.fixed_id, ", and without it in ", plan.control_id));
}

std::optional<TrialOutcome> RunTrial(const Context& context, Client& client, const TrialPlan& plan,
                                     const std::string& finding, int& code) {
  const Interrupt interrupt;
  std::vector<std::string> made;
  const auto give_up = [&](int with) {
    CancelBoth(context, client, made);
    code = with;
    return std::nullopt;
  };
  std::vector<v1::Job> jobs;
  for (const bool fixed : {true, false}) {
    absl::StatusOr<v1::Job> job = StartTrial(client, plan, fixed);
    if (!job.ok()) return give_up(context.Fail(job.status()));
    context.Warnings(job->warnings());
    made.push_back(job->name());
    jobs.push_back(*std::move(job));
  }
  TrialOutcome outcome;
  {
    TrialWatch fixed(client, jobs[0], plan.first_step, plan.target(), finding);
    TrialWatch control(client, jobs[1], plan.first_step, plan.target(), finding);
    {
      StatusLine line(context.err(), context.console.err_is_terminal && !context.quiet && !context.json);
      bool over = false;
      while (!over) {
        over = interrupt.happened() || !fixed.status().ok() || !control.status().ok() ||
               (fixed.ended() && control.ended());
        line.Draw(RenderProgress(plan, fixed.step(), control.step(), context.console.width - 1));
        if (!over) interrupt.notification()->WaitForNotificationWithTimeout(kFrameTime);
      }
    }
    if (interrupt.happened()) {
      context.Note(absl::StrCat("interrupted: ", plan.fixed_id, " and ", plan.control_id, " are cancelled"));
      return give_up(kJobCancelled);
    }
    for (const TrialWatch* watch : {&fixed, &control}) {
      if (!watch->status().ok()) return give_up(context.Fail(watch->status()));
    }
    outcome.fixed = fixed.record();
    outcome.control = control.record();
  }
  for (TrialRecord* record : {&outcome.fixed, &outcome.control}) {
    if (!EvaluateAtItsEnd(context, client, plan, *record)) return give_up(kJobCancelled);
  }
  outcome.verdict = Judge(outcome.fixed, outcome.control, plan.measure, plan.target(),
                          plan.fixed_spec.early_stopping().restore_best());
  for (const std::string& job : made) {
    LabelJob(context, client, job, kFixVerdict, outcome.verdict.helps ? "helps" : "no-help");
  }
  return outcome;
}

std::string RenderTrial(const TrialOutcome& outcome, int width, bool color) {
  constexpr int kHeight = 8, kWidest = 90;
  const auto curve = [](std::string name, const TrialRecord& record) {
    PlottedCurve plotted{.name = std::move(name), .points = {}};
    for (const TrialPoint& point : record.points) plotted.points.emplace_back(point.step, point.train.loss());
    return plotted;
  };
  std::string text = TrialTable(outcome.fixed, outcome.control, outcome.verdict.step).Render(width, color);
  const std::string curves =
      RenderCurves({curve("training loss with the fix", outcome.fixed), curve("without it", outcome.control)},
                   std::min(width, kWidest), kHeight);
  if (!curves.empty()) absl::StrAppend(&text, "\n", curves);
  const Style style = outcome.verdict.helps ? Style::kGood : Style::kWarning;
  return absl::StrCat(text, "\n", StyledLine().Add(Printable(outcome.verdict.sentence), style).Render(10000, color),
                      "\n");
}

std::string TrialJson(const FoundFault& fault, const TrialPlan& plan, const TrialOutcome& outcome) {
  nlohmann::json json = {{"job", fault.job.name()},
                         {"finding", fault.finding.id()},
                         {"from", plan.checkpoint.empty() ? "the beginning" : plan.checkpoint},
                         {"why", plan.why},
                         {"steps", plan.steps},
                         {"patched", RecordJson(outcome.fixed, outcome.verdict.step)},
                         {"control", RecordJson(outcome.control, outcome.verdict.step)},
                         {"helps", outcome.verdict.helps},
                         {"verdict", outcome.verdict.sentence}};
  json["changes"] = nlohmann::json::array();
  for (const FieldChange& change : ChangesBetween(fault.job.spec(), fault.fixed_spec)) {
    json["changes"].push_back({{"path", change.path}, {"before", change.before}, {"after", change.after}});
  }
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace traind::client
