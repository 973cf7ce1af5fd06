// What happens to jobs by itself: starts, events, ends of workers, restarts, the start and the end of the server.
#include <algorithm>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/enum_name.h"
#include "google/protobuf/util/time_util.h"
#include "server/jobs/job_manager.h"
#include "server/jobs/progress.h"
#include "server/jobs/worker_verdict.h"
#include "server/resources/etag.h"
#include "server/resources/job_state.h"
#include "server/resources/names.h"
#include "server/telemetry/log_scope.h"
#include "spdlog/spdlog.h"

namespace traind::server {

using google::protobuf::util::TimeUtil;

absl::StatusOr<std::unique_ptr<JobManager>> JobManager::Start(const Options& options, JobStore* store, EventLog* log,
                                                              DataFolder* folder, Launcher* launcher, Budget* budget) {
  auto manager = std::unique_ptr<JobManager>(new JobManager(options, store, log, folder, launcher, budget));
  if (absl::Status status = manager->Recover(); !status.ok()) return status;
  budget->OnMemoryFreed([raw = manager.get()] {
    absl::MutexLock lock(&raw->mu_);
    raw->changed_ = true;
  });
  manager->supervisor_ = std::thread([raw = manager.get()] { raw->Supervise(); });
  return manager;
}

JobManager::~JobManager() {
  budget_->OnMemoryFreed(nullptr);
  if (!supervisor_.joinable()) return;
  Shutdown(absl::ZeroDuration());
}

absl::Status JobManager::Recover() {
  if (absl::Status status = CountAnew(); !status.ok()) return status;
  // Folders without a job: of one that was deleted or never came to be, or one that this store does not know.
  auto ids = store_->JobIds();
  if (!ids.ok()) return ids.status();
  std::sort(ids->begin(), ids->end());
  auto folders = folder_->List("jobs");
  if (!folders.ok()) return folders.status();
  for (const std::string& id : *folders) {
    if (std::binary_search(ids->begin(), ids->end(), id)) continue;
    if (absl::Status status = folder_->SetAside("jobs", id); !status.ok()) return status;
  }

  std::vector<StoredJob> jobs;
  const auto add = [&](StoredJob job) {
    jobs.push_back(std::move(job));
    return true;
  };
  const std::vector<v1::JobState> live = {v1::JOB_STATE_QUEUED, v1::JOB_STATE_RUNNING, v1::JOB_STATE_CANCELLING,
                                          v1::JOB_STATE_PAUSED, v1::JOB_STATE_PAUSING, v1::JOB_STATE_STOPPING};
  const auto damaged = [](const std::string& name) {
    const LogScope scope({.resource = name});
    spdlog::error("the record of {} is damaged: it is passed over until somebody deletes it", name);
  };
  if (absl::Status status = store_->ListJobs(0, live, add, damaged); !status.ok()) return status;
  for (StoredJob& stored : jobs) {
    if (absl::Status status = RecoverJob(std::move(stored)); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status JobManager::RecoverJob(StoredJob stored) {
  const std::shared_ptr<LiveJob> live = Load(std::move(stored));
  const LogScope scope({.resource = absl::StrCat("jobs/", live->id)});
  absl::MutexLock lock(&live->mu);
  absl::Status status = ReadPosition(*live);
  if (!status.ok()) return status;
  const auto lost = LostTime(*live);
  if (!lost.ok()) return lost.status();
  const auto add_lost = [&](v1::Job& record) { AddTrained(*lost, record); };
  if (live->job.state() == v1::JOB_STATE_RUNNING || live->job.state() == v1::JOB_STATE_STOPPING) {
    status =
        Move(*live, v1::JOB_STATE_QUEUED, absl::StrCat("the server was started again; ", GoingOn(live->job)), add_lost);
  } else if (live->job.state() == v1::JOB_STATE_PAUSING) {
    status = Move(*live, v1::JOB_STATE_PAUSED,
                  absl::StrCat("the server ended while the job was being paused; ", WouldGoOn(live->job)), add_lost);
  } else if (live->job.state() == v1::JOB_STATE_CANCELLING) {
    return Move(*live, v1::JOB_STATE_CANCELLED, "the server ended while the job was being cancelled", add_lost);
  }
  if (!status.ok()) return status;
  const absl::Status fits = CheckFits(live->job.threads(), live->job.memory_bound_bytes(), capacity());
  if (!fits.ok()) spdlog::warn("{} waits for a server with more: {}", live->job.name(), std::string(fits.message()));
  MakeLive(live);
  return absl::OkStatus();
}

absl::StatusOr<absl::Duration> JobManager::LostTime(const LiveJob& live) {
  if (!HasWorker(live.job.state()) || !live.job.has_update_time()) return absl::ZeroDuration();
  auto newest = store_->ReadEvents(live.key, {.after_sequence = live.job.last_sequence() - 1});
  if (!newest.ok()) return newest.status();
  if (newest->events.empty()) return absl::ZeroDuration();
  const int64_t nanos = TimeUtil::TimestampToNanoseconds(newest->events.back()->time()) -
                        TimeUtil::TimestampToNanoseconds(live.job.update_time());
  return absl::Nanoseconds(std::max<int64_t>(nanos, 0));
}

std::shared_ptr<JobManager::LiveJob> JobManager::Load(StoredJob stored) {
  auto live = std::make_shared<LiveJob>(stored.key, std::string(IdOf(stored.job.name())));
  Describe(stored.job, *live);
  absl::MutexLock lock(&live->mu);
  live->job = std::move(stored.job);
  live->restarts.reached = live->job.progress().step();
  return live;
}

absl::Status JobManager::ReadPosition(LiveJob& live) {
  auto last_steps = store_->LastSteps(live.key);
  if (!last_steps.ok()) return last_steps.status();
  live.position = {.last_sequence = live.job.last_sequence(), .last_steps = *std::move(last_steps), .differences = {}};
  return absl::OkStatus();
}

void JobManager::Shutdown(absl::Duration patience) {
  const absl::Time deadline = absl::Now() + patience;
  {
    absl::MutexLock lock(&mu_);
    shutting_down_ = true;
    changed_ = true;
  }
  for (const auto& [key, live] : live_jobs()) {
    absl::MutexLock lock(&live->mu);
    if (live->worker == nullptr) continue;
    live->worker->Stop(live->job.state() == v1::JOB_STATE_CANCELLING ? internal::Stop::REASON_CANCEL
                       : live->job.state() == v1::JOB_STATE_PAUSING  ? internal::Stop::REASON_PAUSE
                                                                     : internal::Stop::REASON_SHUTDOWN);
  }
  const auto running = [this] {
    int workers = 0;
    for (const auto& [key, live] : live_jobs()) {
      absl::MutexLock lock(&live->mu);
      workers += live->worker != nullptr;
    }
    return workers;
  };
  while (running() > 0 && absl::Now() < deadline) {
    absl::MutexLock lock(&mu_);
    const auto progress = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return workers_gone_; };
    mu_.AwaitWithDeadline(absl::Condition(&progress), deadline);
    workers_gone_ = false;
  }
  {
    absl::MutexLock lock(&mu_);
    quit_ = true;
    changed_ = true;
  }
  if (supervisor_.joinable()) supervisor_.join();
  // The destructor kills what has not ended by now. Its job stays RUNNING in the store, and the next start queues it
  // again.
  for (const auto& [key, live] : live_jobs()) {
    std::unique_ptr<Worker> worker;
    {
      absl::MutexLock lock(&live->mu);
      worker = std::move(live->worker);
    }
  }
}

void JobManager::Supervise() {
  absl::Time next_due = absl::InfiniteFuture();
  while (true) {
    std::deque<Ended> ended;
    bool quit = false;
    {
      absl::MutexLock lock(&mu_);
      const auto has_work = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return changed_; };
      // A failed store is tried again; otherwise a change wakes this thread, or the end of a job's time.
      const bool retry = !ended_.empty() || retry_start_;
      mu_.AwaitWithDeadline(absl::Condition(&has_work), retry ? absl::Now() + options_.retry_interval : next_due);
      changed_ = false;
      retry_start_ = false;
      ended.swap(ended_);
      quit = quit_;
    }
    for (Ended& end : ended) {
      const bool stored = HandleExit(end);
      absl::MutexLock lock(&mu_);
      if (!stored) ended_.push_back(std::move(end));
      workers_gone_ = true;
    }
    if (quit) return;
    next_due = absl::InfiniteFuture();
    if (shutting_down()) continue;
    next_due = StartWaiting();
    next_due = std::min({next_due, StopWhatIsDue(), PauseBeyondQuota()});
  }
}

absl::Time JobManager::StartWaiting() {
  const LiveJobs jobs = live_jobs();
  std::vector<JobSnapshot> snapshots;
  absl::Time next = absl::InfiniteFuture();
  for (const auto& [key, live] : jobs) {
    absl::MutexLock lock(&live->mu);
    if (live->job.state() == v1::JOB_STATE_QUEUED && live->standing.waits(absl::Now())) {
      next = std::min(next, live->standing.until());
      continue;
    }
    if (live->job.state() == v1::JOB_STATE_QUEUED || HasWorker(live->job.state())) {
      snapshots.push_back(SnapshotOf(*live));
    }
  }
  Owners owners = OwnersOf(snapshots);
  const Schedule schedule = budget_->StartJobs(snapshots, owners);
  for (JobKey key : schedule.start) Launch(jobs.at(key));
  for (const Reservation& reservation : schedule.reservations) {
    if (reservation.passed) NotePassed(*jobs.at(reservation.key), reservation);
  }
  for (JobSnapshot& job : snapshots)
    job.has_worker |= std::count(schedule.start.begin(), schedule.start.end(), job.key);
  fair_.Note(snapshots, absl::Now());
  queue_.Set(std::move(snapshots), std::move(owners), budget_->task_memory());
  // Somebody may have changed a quota.
  return schedule.held.empty() ? next : std::min(next, absl::Now() + options_.quota_interval);
}

JobSnapshot JobManager::SnapshotOf(const LiveJob& live) {
  return {.key = live.key,
          .priority = live.job.priority(),
          .threads = live.job.threads(),
          .memory_bytes = live.job.memory_bound_bytes(),
          .has_worker = HasWorker(live.job.state()),
          .length = TimeLeft(live.job),
          .may_be_passed = absl::Now() < live.passable_until,
          .name = live.job.name(),
          .owner = live.owner};
}

void JobManager::NotePassed(LiveJob& live, const Reservation& reservation) {
  absl::MutexLock lock(&live.mu);
  if (live.passable_until != absl::InfiniteFuture()) return;
  live.passable_until = absl::Now() + PassableFor(reservation, options_.queue_patience);
}

absl::Time JobManager::StopWhatIsDue() {
  absl::Time next_due = absl::InfiniteFuture();
  for (const auto& [key, live] : live_jobs()) {
    const LogScope scope({.resource = absl::StrCat("jobs/", live->id)});
    absl::MutexLock lock(&live->mu);
    if (live->job.state() != v1::JOB_STATE_RUNNING) continue;
    const absl::Time due = live->attempt_time + MaxDurationLeft(live->job);
    std::string reason = live->job.stop_reason();
    if (reason.empty() && due > absl::Now()) {
      next_due = std::min(next_due, due);
      continue;
    }
    if (reason.empty()) reason = TimeIsOver(live->job);
    const absl::Status moved =
        Move(*live, v1::JOB_STATE_STOPPING, reason, [&](v1::Job& job) { job.set_stop_reason(reason); });
    if (moved.ok()) {
      if (live->worker != nullptr) live->worker->Stop(internal::Stop::REASON_FINISH);
    } else {
      spdlog::error("{} cannot be told to end yet: {}", live->job.name(), moved.ToString());
      TryAgain();
    }
  }
  return next_due;
}

void JobManager::TryAgain() {
  absl::MutexLock lock(&mu_);
  retry_start_ = true;
}

internal::Task JobManager::TaskOf(const LiveJob& live) {
  internal::Task task;
  const v1::JobSpec& spec = live.job.resolved_spec();
  task.set_dataset_dir(absl::StrCat(folder_->path(), "/", spec.data().dataset()));
  if (spec.has_initial_weights()) task.set_weights_path(folder_->InitialWeights(live.id));
  if (spec.initial_weights().preprocessing_from() == v1::InitialWeights::PREPROCESSING_FROM_MODEL &&
      std::filesystem::exists(folder_->InitialPreprocessing(live.id))) {
    task.mutable_train()->set_preprocessing_path(folder_->InitialPreprocessing(live.id));
  }
  task.set_threads(live.job.threads());
  task.mutable_train()->set_job(live.job.name());
  *task.mutable_train()->mutable_spec() = spec;
  task.mutable_train()->set_checkpoint_dir(folder_->CheckpointDir(live.id));
  *task.mutable_train()->mutable_algorithms() = live.job.algorithms();
  task.mutable_train()->set_forked_from(live.job.forked_from());
  if (live.job.has_trained_on()) *task.mutable_train()->mutable_trained_on() = live.job.trained_on();
  task.mutable_train()->set_first_examples(!live.job.has_trained_on());
  task.mutable_train()->set_pause_at_step(live.job.pause_at_step());
  return task;
}

void JobManager::Launch(const std::shared_ptr<LiveJob>& live) {
  const LogScope scope({.resource = absl::StrCat("jobs/", live->id)});
  absl::MutexLock lock(&live->mu);
  // The job was cancelled just now, or the server ends: Shutdown sets its flag before it looks at the jobs.
  if (live->job.state() != v1::JOB_STATE_QUEUED || shutting_down()) return;
  const uint32_t attempt = live->job.attempts() + 1;
  const absl::Status moved = Move(*live, v1::JOB_STATE_RUNNING, attempt == 1 ? "" : absl::StrCat("attempt ", attempt),
                                  [&](v1::Job& job) { job.set_attempts(attempt); });
  if (!moved.ok()) {
    spdlog::error("{} cannot be started: {}", live->job.name(), moved.ToString());
    TryAgain();
    return;
  }
  metrics_->job_queue_seconds.Observe(absl::Now() - live->queued_since);
  live->heartbeat_step = live->job.progress().checkpoint_step();
  live->passable_until = absl::InfiniteFuture();
  live->attempt_time = absl::Now();
  live->standing.WaitFor("");

  WorkerCallbacks callbacks;
  callbacks.on_events = [this, live](const std::vector<v1::Event>& events) { return OnEvents(*live, events); };
  callbacks.on_heartbeat = [live](uint64_t step) { live->heartbeat_step = step; };
  callbacks.on_waits = [live](const std::string& what) { live->standing.WaitFor(what); };
  callbacks.on_log = [name = live->job.name()](auto line) {
    const LogScope of_job({.resource = name});
    spdlog::debug("{}: {}", name, std::string(line.data(), line.size()));
  };
  const auto ended = [this, live](const WorkerExit& exit) {
    absl::MutexLock lock_all(&mu_);
    ended_.push_back({live, exit, absl::Now()});
    changed_ = true;
  };
  callbacks.on_exit = ended;
  auto worker = launcher_->Start({.memory_bytes = live->job.memory_bound_bytes()}, TaskOf(*live), std::move(callbacks));
  if (worker.ok()) {
    live->worker = *std::move(worker);
    metrics_->worker_starts.Add();
    spdlog::info("{} runs, attempt {}", live->job.name(), attempt);
    return;
  }
  WorkerExit exit;
  exit.kind = WorkerExit::Kind::kCrashed;
  exit.status = worker.status();
  exit.description = absl::StrCat("could not be started: ", worker.status().message());
  exit.of_machine = true;
  ended(exit);
}

bool JobManager::HandleExit(const Ended& ended) {
  LiveJob& live = *ended.job;
  const LogScope scope({.resource = absl::StrCat("jobs/", live.id)});
  std::unique_ptr<Worker> worker;  // Its destructor must run without the lock.
  absl::MutexLock lock(&live.mu);
  if (!HasWorker(live.job.state())) return true;
  Restarts restarts = CountFailure(live);
  const WorkerVerdict verdict =
      JudgeExit(live.job, ended.exit, shutting_down(), options_.max_restarts, restarts.fruitless);
  // The one that got further goes on at once. Whoever sees the job QUEUED sees as well what it waits for.
  const bool waits = verdict.restart && restarts.reached == live.restarts.reached;
  live.standing.WaitFor("");
  if (waits) live.standing.WaitUntil(absl::Now() + WaitAfter(restarts.in_row), verdict.reason);
  const absl::Duration attempt = ended.time - live.attempt_time;
  const absl::Status moved = Move(live, verdict.state, verdict.reason, [&](v1::Job& job) {
    if (verdict.state == v1::JOB_STATE_FAILED) *job.mutable_error() = verdict.error;
    if (verdict.restart) job.set_restarts(job.restarts() + 1);
    if (verdict.state == v1::JOB_STATE_PAUSED) job.clear_stop_reason();
    AddTrained(attempt, job);
  });
  if (!moved.ok()) {
    spdlog::error("the end of {} cannot be stored yet: {}", live.job.name(), moved.ToString());
    return false;
  }
  worker = std::move(live.worker);
  if (verdict.restart) {
    metrics_->worker_restarts.Add();
    restarts.in_row += waits ? 1 : 0;
    restarts.fruitless += verdict.counts ? 1 : 0;
    live.restarts = restarts;
  }
  spdlog::info("{} is {}{}{}", live.job.name(), core::EnumName(verdict.state), verdict.reason.empty() ? "" : ": ",
               verdict.reason);
  if (IsTerminal(verdict.state)) Forget(live);
  return true;
}

JobManager::Restarts JobManager::CountFailure(const LiveJob& live) {
  const v1::JobProgress& progress = live.job.progress();
  const uint64_t reached = std::max({progress.step(), progress.checkpoint_step(), live.heartbeat_step.load()});
  return reached > live.restarts.reached ? Restarts{.reached = reached} : live.restarts;
}

absl::Duration JobManager::WaitAfter(uint32_t failures) const {
  absl::Duration wait = options_.first_wait;
  for (uint32_t i = 0; i < failures && wait < options_.longest_wait; ++i) wait *= 2;
  return std::min(wait, options_.longest_wait);
}

absl::Status JobManager::Move(LiveJob& live, v1::JobState to, std::string reason,
                              const std::function<void(v1::Job&)>& change) {
  if (!IsLegal(live.job.state(), to)) {
    return absl::InternalError(
        absl::StrCat("a job cannot go from ", core::EnumName(live.job.state()), " to ", core::EnumName(to)));
  }
  v1::Job job = live.job;
  job.set_state(to);
  if (change != nullptr) change(job);
  v1::Event event;
  event.set_step(job.progress().step());
  if (job.progress().steps_per_epoch() > 0) {
    event.set_epoch(static_cast<double>(event.step()) / static_cast<double>(job.progress().steps_per_epoch()));
  }
  event.mutable_state()->set_state(to);
  event.mutable_state()->set_reason(reason);
  event.mutable_state()->set_traceparent(CurrentLogFields().traceparent);
  job.set_state_reason(std::move(reason));
  event.mutable_state()->set_attempt(job.attempts());
  if (job.has_error()) *event.mutable_state()->mutable_error() = job.error();
  LogPosition position = live.position;
  auto events = Sequence({event}, absl::Now(), nullptr, position);
  if (!events.ok()) return events.status();
  ApplyEvent(events->front(), *job.mutable_progress());
  if (to == v1::JOB_STATE_RUNNING && !job.has_start_time()) *job.mutable_start_time() = events->front().time();
  if (IsTerminal(to)) {
    *job.mutable_end_time() = events->front().time();
    job.clear_stop_reason();
  }
  job.set_last_sequence(position.last_sequence);
  Touch(job, events->front().time());
  if (absl::Status status = store_->UpdateJob(live.key, job, *events); !status.ok()) return status;
  Count(live.job.state(), -1);
  Count(to, 1);
  if (to == v1::JOB_STATE_QUEUED) live.queued_since = absl::Now();
  live.pace.runs.store(HasWorker(to), std::memory_order_relaxed);
  live.job = std::move(job);
  live.state = to;
  live.position = std::move(position);
  log_->Publish(live.key, *events);
  return absl::OkStatus();
}

}  // namespace traind::server
