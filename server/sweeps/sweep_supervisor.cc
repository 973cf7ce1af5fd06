// What happens to sweeps by itself: what is heard of jobs, what follows, and what is done about it.
#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/base/enum_name.h"
#include "core/search/resolve.h"
#include "google/protobuf/util/message_differencer.h"
#include "google/protobuf/util/time_util.h"
#include "server/resources/job_state.h"
#include "server/resources/names.h"
#include "server/sweeps/sweep_check.h"
#include "server/sweeps/sweep_manager.h"
#include "server/telemetry/log_scope.h"
#include "spdlog/spdlog.h"

namespace traind::server {
namespace {

using google::protobuf::util::TimeUtil;

std::string RequestIdOfTrial(const v1::Sweep& sweep, uint32_t number) {
  return absl::StrCat("sweep-", sweep.uid(), "-", number);
}

// What waiting does not mend. All else may be tried again: a full queue, a full disk, a server that is ending.
bool IsForGood(const absl::Status& status) {
  return absl::IsInvalidArgument(status) || absl::IsNotFound(status) || absl::IsFailedPrecondition(status) ||
         absl::IsAlreadyExists(status) || absl::IsInternal(status) || absl::IsDataLoss(status);
}

v1::SweepEntry ArrivedEntry(const core::SearchTrial& trial, v1::TrialState state, uint64_t step, std::string reason) {
  v1::SweepEntry entry;
  entry.set_trial(trial.number);
  v1::TrialArrived& arrived = *entry.mutable_arrived();
  arrived.set_state(state);
  arrived.set_step(step);
  arrived.set_reason(std::move(reason));
  return entry;
}

v1::SweepEntry FailedEntry(const core::SearchTrial& trial, const absl::Status& status) {
  v1::SweepEntry entry = ArrivedEntry(trial, v1::TRIAL_STATE_FAILED, trial.step, "");
  entry.mutable_arrived()->mutable_error()->set_code(static_cast<int>(status.code()));
  entry.mutable_arrived()->mutable_error()->set_message(std::string(status.message()));
  return entry;
}

// Ended before its last step, by somebody's StopJob or because of something else that its own spec does not say.
bool WasStopped(const v1::Job& job) {
  const bool by_somebody = absl::StartsWith(job.state_reason(), "stopped by a client");
  const bool own = job.resolved_spec().has_early_stopping() || job.resolved_spec().has_max_duration();
  return job.progress().step() < job.progress().total_steps() && (by_somebody || !own);
}

bool IsAfter(const google::protobuf::Timestamp& a, const google::protobuf::Timestamp& b) {
  return TimeUtil::TimestampToNanoseconds(a) > TimeUtil::TimestampToNanoseconds(b);
}

}  // namespace

std::string TrialJobId(const v1::Sweep& sweep, uint32_t number) {
  return absl::StrCat(std::string(IdOf(sweep.name())), "-", number);
}

bool IsJobOf(const v1::Job& job, const v1::Sweep& sweep, uint32_t number) {
  const std::string request = RequestIdOfTrial(sweep, number);
  return job.request_id() == request || absl::StartsWith(job.request_id(), request + ".");
}

void SweepManager::Supervise() {
  absl::Duration wait = absl::ZeroDuration();
  while (true) {
    {
      absl::MutexLock lock(&mu_);
      const auto due = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return changed_ || quit_; };
      mu_.AwaitWithTimeout(absl::Condition(&due), wait);
      changed_ = false;
      if (quit_) return;
    }
    wait = Look();
  }
}

absl::Duration SweepManager::Look() {
  std::vector<std::string> ids;
  {
    absl::MutexLock lock(&mu_);
    for (const auto& [id, live] : live_) ids.push_back(id);
  }
  absl::Duration wait = ids.empty() ? absl::Minutes(1) : options_.interval;
  for (const std::string& id : ids) wait = std::max(wait, LookAt(id));
  return wait;
}

absl::Duration SweepManager::LookAt(const std::string& id) {
  LivePtr live;
  std::vector<Task> tasks;
  v1::Sweep sweep;
  {
    absl::MutexLock lock(&mu_);
    const auto found = live_.find(id);
    if (found == live_.end() || quit_) return absl::ZeroDuration();
    live = found->second;
    sweep = live->record;
    EndIfOver(*live);
    tasks = TasksOf(*live);
  }
  const LogScope scope({.resource = sweep.name()});
  for (Task& task : tasks) {
    CarryOut(sweep, task);
    absl::MutexLock lock(&mu_);
    if (quit_) return absl::ZeroDuration();
    Hear(*live, task);
  }
  if (!Decide(live)) return options_.retry_interval;
  absl::MutexLock lock(&mu_);
  return options_.per_trial * live->search.Running();
}

bool SweepManager::IsSettled(Live& live) {
  return std::all_of(live.search.trials().begin(), live.search.trials().end(),
                     [&](const core::SearchTrial& trial) { return live.seen[trial.number].settled; });
}

void SweepManager::EndIfOver(Live& live) {
  const v1::SweepBudget& budget = live.record.spec().budget();
  const bool open = live.search.state() == v1::SWEEP_STATE_RUNNING || live.search.state() == v1::SWEEP_STATE_PAUSED;
  if (!open || !budget.has_max_duration() || live.search.only_reruns()) return;
  const int64_t age =
      TimeUtil::TimestampToNanoseconds(Stamp()) - TimeUtil::TimestampToNanoseconds(live.record.create_time());
  if (age <= TimeUtil::DurationToNanoseconds(budget.max_duration())) return;
  const absl::Status turned =
      Turn(live, v1::SWEEP_STATE_STOPPING,
           absl::StrCat("budget.max_duration, ", TimeUtil::DurationToSeconds(budget.max_duration()), " s, is over"),
           v1::SWEEP_STATE_SUCCEEDED);
  if (!turned.ok()) live.trouble = std::string(turned.message());
}

// Those that begin from another's checkpoint come first: the other may go on after them only.
std::vector<SweepManager::Task> SweepManager::TasksOf(Live& live) {
  std::vector<Task> tasks;
  if (live.record.spec().trained_by_clients()) {
    for (const core::SearchTrial& trial : live.search.trials()) live.seen[trial.number].settled = trial.ended();
    return tasks;
  }
  std::set<uint32_t> awaited;
  for (const core::SearchTrial& trial : live.search.trials()) {
    Seen& seen = live.seen[trial.number];
    if (!trial.ended()) seen.settled = false;
    const bool moved = seen.held && trial.state != v1::TRIAL_STATE_HELD;  // It goes on, or ends.
    const bool cancelling = live.search.state() == v1::SWEEP_STATE_CANCELLING;
    if (seen.settled || (seen.not_before > options_.now() && !moved && !(seen.held && cancelling))) continue;
    Task task{.trial = trial, .seen = seen, .parent_job = "", .cancelling = cancelling};
    if (trial.parent != 0) task.parent_job = TrialJobId(live.record, trial.parent);
    tasks.push_back(std::move(task));
  }
  for (const core::SearchTrial& trial : live.search.trials()) {
    if (trial.parent != 0 && trial.under_way() && live.seen[trial.number].state == v1::JOB_STATE_UNSPECIFIED) {
      awaited.insert(trial.parent);
    }
  }
  for (Task& task : tasks) task.keep_held = awaited.count(task.trial.number) > 0;
  std::stable_sort(tasks.begin(), tasks.end(), [](const Task& a, const Task& b) {
    return (a.trial.parent != 0 && a.seen.state == v1::JOB_STATE_UNSPECIFIED) >
           (b.trial.parent != 0 && b.seen.state == v1::JOB_STATE_UNSPECIFIED);
  });
  return tasks;
}

void SweepManager::CarryOut(const v1::Sweep& sweep, Task& task) {
  task.seen.waits_for.clear();
  // Of those that are held nothing is awaited but that somebody does something to their jobs.
  task.seen.held = task.trial.state == v1::TRIAL_STATE_HELD;
  if (task.seen.held) task.seen.not_before = options_.now() + options_.retry_interval;
  auto job = jobs_->Get(TrialJobId(sweep, task.trial.number));
  const bool there = job.ok() && IsJobOf(*job, sweep, task.trial.number);
  if (!there && !job.ok() && !absl::IsNotFound(job.status()) && !absl::IsDataLoss(job.status())) {
    task.seen.waits_for = std::string(job.status().message());
    task.seen.not_before = options_.now() + options_.retry_interval;
    return;
  }
  if (there) {
    task.seen.state = job->state();
    task.seen.step = job->progress().step();
    task.seen.total_steps = job->progress().total_steps();
    return CarryOutWithJob(sweep, *job, task);
  }
  if (task.trial.ended()) {
    task.seen.settled = true;
  } else if (task.trial.state == v1::TRIAL_STATE_HELD) {
    task.heard.push_back(FailedEntry(task.trial, absl::NotFoundError("its job was deleted")));
  } else if (task.cancelling || task.trial.stopping) {
    task.heard.push_back(ArrivedEntry(task.trial, v1::TRIAL_STATE_CANCELLED, task.trial.step, "it was not begun"));
  } else {
    MakeJob(sweep, task);
  }
}

void SweepManager::MakeJob(const v1::Sweep& sweep, Task& task) {
  const core::SearchTrial& trial = task.trial;
  TrialJobs::NewTrialJob wanted;
  wanted.job_id = TrialJobId(sweep, trial.number);
  wanted.request_id = RequestIdOfTrial(sweep, trial.number);
  if (trial.reruns > 0) absl::StrAppend(&wanted.request_id, ".", trial.reruns);
  wanted.pause_at_step = trial.goal_step;
  if (!task.parent_job.empty())
    wanted.from = absl::StrCat("jobs/", task.parent_job, "/checkpoints/", trial.parent_step);
  auto spec = TrialSpec(sweep, trial.number, {trial.assignments.begin(), trial.assignments.end()});
  absl::Status status = spec.status();
  if (spec.ok()) {
    wanted.spec = *std::move(spec);
    const auto job = jobs_->Create(wanted, {.owner = sweep.owner(), .sharing = sweep.sharing()});
    status = job.status();
    if (job.ok()) {
      task.seen.state = job->state();
      task.seen.total_steps = job->progress().total_steps();
      return ShareAgain(sweep, trial.number);
    }
  }
  if (IsForGood(status)) {
    task.heard.push_back(FailedEntry(trial, status));
    return;
  }
  task.seen.waits_for = absl::StrCat("trial ", trial.number, " cannot be started yet: ", status.message());
  task.seen.not_before = options_.now() + options_.retry_interval;
}

void SweepManager::ShareAgain(const v1::Sweep& sweep, uint32_t trial) {
  v1::Sharing sharing;
  {
    absl::MutexLock lock(&mu_);
    const auto live = live_.find(std::string(IdOf(sweep.name())));
    if (live == live_.end()) return;
    sharing = live->second->record.sharing();
  }
  if (google::protobuf::util::MessageDifferencer::Equals(sharing, sweep.sharing())) return;
  const std::string id = TrialJobId(sweep, trial);
  const absl::Status shared = jobs_->Share(id, sharing);
  if (!shared.ok()) spdlog::warn("jobs/{} is not shared as its sweep: {}", id, std::string(shared.message()));
}

absl::StatusOr<v1::Job> SweepManager::StopOrCancel(const v1::Job& job) {
  const std::string id(IdOf(job.name()));
  auto stopped = jobs_->Stop(id);
  const bool has_nothing = job.state() != v1::JOB_STATE_PAUSING && job.progress().checkpoint_step() == 0;
  return absl::IsFailedPrecondition(stopped.status()) && has_nothing ? jobs_->Cancel(id) : stopped;
}

absl::Status SweepManager::Evaluate(const v1::Sweep& sweep, Task& task) {
  auto events = jobs_->Evaluations(TrialJobId(sweep, task.trial.number), task.seen.evaluations_to);
  if (!events.ok()) return events.status();
  const core::Search better(sweep.spec());
  for (const v1::Event& event : *events) {
    const auto value = core::MetricOf(event.evaluation(), sweep.spec().objective().metric());
    if (!value.ok() || !value->has_value()) continue;
    v1::Measurement measurement;
    measurement.set_step(event.step());
    measurement.set_value(**value);
    task.seen.last = measurement;
    if (!task.seen.best.has_value() || better.Better(**value, task.seen.best->value())) task.seen.best = measurement;
    const auto& known = task.trial.measurements;
    const bool counts = sweep.spec().has_median_stopping() && known.size() < core::kMostMeasurements &&
                        (known.empty() || known.back().step() < event.step());
    if (!counts || !task.trial.under_way()) continue;
    v1::SweepEntry entry;
    entry.set_trial(task.trial.number);
    *entry.mutable_measured()->mutable_measurement() = measurement;
    task.heard.push_back(std::move(entry));
    task.trial.measurements.push_back(measurement);
  }
  return absl::OkStatus();
}

void SweepManager::CarryOutWithJob(const v1::Sweep& sweep, const v1::Job& job, Task& task) {
  const core::SearchTrial& trial = task.trial;
  if (trial.ended()) return Settle(job, task);
  const std::string id(IdOf(job.name()));
  const bool again = trial.reruns > 0 && !task.cancelling && !trial.stopping &&
                     (job.state() == v1::JOB_STATE_FAILED || job.state() == v1::JOB_STATE_CANCELLED) &&
                     !IsAfter(job.end_time(), trial.rerun_time);
  const bool arrives = (IsTerminal(job.state()) && !again) ||
                       (job.state() == v1::JOB_STATE_PAUSED && trial.under_way() && !trial.stopping &&
                        !task.cancelling && trial.goal_step > 0 && job.progress().step() >= trial.goal_step);
  absl::Status status;
  if (arrives || (sweep.spec().has_median_stopping() && trial.under_way())) {
    status = Evaluate(sweep, task);
  }
  if (status.ok() && arrives) {
    v1::TrialState state = v1::TRIAL_STATE_HELD;
    std::string reason = IsTerminal(job.state()) ? job.state_reason() : "";
    if (job.state() == v1::JOB_STATE_SUCCEEDED) {
      state = trial.stopping || WasStopped(job) ? v1::TRIAL_STATE_STOPPED : v1::TRIAL_STATE_SUCCEEDED;
      if (trial.stopping) reason = trial.reason;
    } else if (job.state() == v1::JOB_STATE_FAILED) {
      state = v1::TRIAL_STATE_FAILED;
    } else if (job.state() == v1::JOB_STATE_CANCELLED) {
      state = v1::TRIAL_STATE_CANCELLED;
    }
    v1::SweepEntry entry = ArrivedEntry(trial, state, job.progress().step(), std::move(reason));
    const auto& value = sweep.spec().objective().value() == v1::Objective::VALUE_BEST ? task.seen.best : task.seen.last;
    if (value.has_value()) {
      entry.mutable_arrived()->set_objective(value->value());
      entry.mutable_arrived()->set_objective_step(value->step());
    } else if (state == v1::TRIAL_STATE_SUCCEEDED) {
      entry.mutable_arrived()->set_reason(absl::StrCat("its evaluations have no ", sweep.spec().objective().metric()));
    }
    if (state == v1::TRIAL_STATE_FAILED) *entry.mutable_arrived()->mutable_error() = job.error();
    task.heard.push_back(std::move(entry));
    return;
  }
  const bool live = !IsTerminal(job.state()) && job.state() != v1::JOB_STATE_CANCELLING;
  bool refused = false;
  if (status.ok() && task.cancelling && live) {
    status = jobs_->Cancel(id).status();
  } else if (status.ok() && trial.stopping && live && job.state() != v1::JOB_STATE_STOPPING) {
    status = StopOrCancel(job).status();
  } else if (status.ok() && again) {
    status = jobs_->ResumeTo(id, trial.goal_step).status();
    refused = IsForGood(status);
  } else if (status.ok() && job.state() == v1::JOB_STATE_PAUSED && trial.under_way()) {
    // Held at a step before its goal: it was promoted. Held by somebody else it waits for them.
    if (job.pause_at_step() > 0 && job.progress().step() >= job.pause_at_step()) {
      if (!task.keep_held) status = jobs_->ResumeTo(id, trial.goal_step).status();
      refused = IsForGood(status);
    } else {
      task.seen.waits_for = absl::StrCat(job.name(), " is PAUSED: ", job.state_reason());
    }
  }
  if (status.ok()) return;
  // It cannot go on: its dataset was deleted, ... unless somebody has changed the job meanwhile.
  if (refused) {
    const auto now = jobs_->Get(id);
    if (now.ok() && now->state() == job.state()) return task.heard.push_back(FailedEntry(trial, status));
  }
  task.seen.waits_for = std::string(status.message());
  task.seen.not_before = options_.now() + options_.retry_interval;
}

// The job of a trial that has ended ends, too.
void SweepManager::Settle(const v1::Job& of, Task& task) {
  if (IsTerminal(task.seen.state)) {
    task.seen.settled = true;
    return;
  }
  if (task.seen.state == v1::JOB_STATE_STOPPING || task.seen.state == v1::JOB_STATE_CANCELLING) return;
  if (task.keep_held) return;
  const bool well = task.trial.state == v1::TRIAL_STATE_STOPPED || task.trial.state == v1::TRIAL_STATE_SUCCEEDED;
  const auto job = well ? StopOrCancel(of) : jobs_->Cancel(std::string(IdOf(of.name())));
  if (job.ok()) {
    task.seen.state = job->state();
    task.seen.settled = IsTerminal(job->state());
    return;
  }
  task.seen.waits_for = std::string(job.status().message());
  task.seen.not_before = options_.now() + options_.retry_interval;
}

void SweepManager::Hear(Live& live, Task& task) {
  live.seen[task.trial.number] = task.seen;
  for (v1::SweepEntry& entry : task.heard) {
    const core::SearchTrial* now = live.search.Find(entry.trial());
    // Somebody may have changed it meanwhile; what is heard is found out again.
    if (now == nullptr || now->ended() || now->goal_step != task.trial.goal_step) return;
    const absl::Status appended = Append(live, std::move(entry));
    if (appended.ok()) continue;
    live.trouble = std::string(appended.message());
    live.seen[task.trial.number].evaluations_to = 0;
    return;
  }
}

bool SweepManager::Decide(const LivePtr& live) {
  while (true) {
    std::optional<v1::SweepEntry> next;
    v1::Sweep sweep;
    {
      absl::MutexLock lock(&mu_);
      if (quit_) return true;
      next = live->search.Decide();
      if (!next.has_value()) {
        live->trouble.clear();
        return true;
      }
      sweep = live->record;
    }
    // A new trial's length is that of its job, and is in the log with it.
    v1::SweepEntry entry = *next;
    if (entry.has_chosen() && !sweep.spec().trained_by_clients()) {
      const auto spec = TrialSpec(sweep, entry.trial(), entry.chosen().assignments());
      const auto job = spec.ok() ? jobs_->Check(*spec, {.owner = sweep.owner(), .sharing = sweep.sharing()}, nullptr)
                                 : absl::StatusOr<v1::Job>(spec.status());
      // One that cannot be is chosen all the same, and fails when it is made.
      if (!job.ok() && !IsForGood(job.status())) {
        absl::MutexLock lock(&mu_);
        live->trouble = absl::StrCat("trial ", entry.trial(), " cannot be checked yet: ", job.status().message());
        return false;
      }
      if (job.ok()) {
        entry.mutable_chosen()->set_total_steps(job->progress().total_steps());
        if (const uint32_t epochs = sweep.spec().asha().min_epochs(); epochs > 0) {
          entry.mutable_chosen()->set_goal_step(epochs * job->progress().steps_per_epoch());
        }
      }
    }
    absl::MutexLock lock(&mu_);
    // The sweep is over when its jobs are: the next server looks at those of live sweeps alone.
    if (entry.has_turn() && entry.turn().state() != v1::SWEEP_STATE_STOPPING && !IsSettled(*live)) return true;
    const auto still = live->search.Decide();
    if (!still.has_value() || still->SerializeAsString() != next->SerializeAsString()) continue;
    if (absl::Status appended = Append(*live, std::move(entry)); !appended.ok()) {
      live->trouble = std::string(appended.message());
      return false;
    }
    changed_ = true;  // It is to be carried out.
    if (!live->search.terminal()) continue;
    spdlog::info("{} is {}{}{}", sweep.name(), core::EnumName(live->search.state()),
                 live->search.reason().empty() ? "" : ": ", live->search.reason());
    live_.erase(std::string(IdOf(sweep.name())));  // Whoever sees it ended may delete it.
    return true;
  }
}

}  // namespace traind::server
