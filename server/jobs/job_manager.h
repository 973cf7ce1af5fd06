// The jobs of this server: creates, runs, restarts, steers and deletes them. Every change of a job's state goes through
// here, by the tables in job_state.h and job_verb.h, and is in the store together with its STATE event before anybody
// sees it. Jobs that are not terminal are held in memory, all others in the store only; a terminal one that is to train
// on (Resume, Extend) comes back from there.
//
// Restarts: a worker that crashes or hangs is started again from its last checkpoint. When that has happened
// max_restarts times and the job got no further than before, it is FAILED; whatever gets it further begins the count
// anew, as do Resume and Extend. What the machine does (no room, no files, a program that cannot be started, a stop of
// the server) is never counted. Whoever got no further waits before the next attempt, twice as long each time.
//
// A wish to end early (Stop, max_duration) is in the record, Job.stop_reason, until the job has ended: whatever crashes
// meanwhile, the next worker is told again.
//
// One supervisor thread starts jobs, handles the ends of workers and disposes of them. Thread-safe; every call may
// block on the disk.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "core/checkpoint/checkpoint_dir.h"
#include "core/insight/insight.h"
#include "server/events/event_log.h"
#include "server/events/replay.h"
#include "server/jobs/standing.h"
#include "server/resources/caller.h"
#include "server/resources/job_verb.h"
#include "server/resources/quota.h"
#include "server/scheduler/budget.h"
#include "server/scheduler/fair_share.h"
#include "server/scheduler/queue_view.h"
#include "server/store/data_folder.h"
#include "server/store/job_store.h"
#include "server/telemetry/metrics.h"
#include "server/workers/worker.h"
#include "traind/v1/training_service.pb.h"

namespace traind::server {

class JobManager {
 public:
  struct Options {
    uint32_t max_restarts = 3;
    // How long after it was to start a job may still be passed by others (PassableFor): an hour of patience with
    // estimates.
    absl::Duration queue_patience = absl::Hours(1);
    absl::Duration retry_interval = absl::Seconds(1);  // Between attempts to store what the disk refused.
    absl::Duration first_wait = absl::Seconds(1);      // Before a worker that got no further is started again, ...
    absl::Duration longest_wait = absl::Minutes(1);    // ... and at most, after doubling.
    // Whether there is room on the disk for new jobs; null: always.
    std::function<absl::Status()> check_room = nullptr;
    // What the owner of a job may have; null: nobody has a quota. NOT_FOUND: there is no such user.
    std::function<absl::StatusOr<UserQuota>(const std::string& owner)> quota_of = nullptr;
    absl::Duration quota_interval = absl::Seconds(5);  // Between looks at quotas that only time or people change.
    Metrics* metrics = Metrics::Unread();              // Outlives the manager.
  };
  // A job that was admitted: everything the user decides and admission found out.
  struct NewJob {
    v1::Job job;               // spec, resolved_spec, algorithms, threads, memory_bound_bytes, warnings, request_id and
                               // progress totals; the name, or empty to have one made up.
    std::string weights_file;  // Where the initial weights are; empty: none.
    std::string preprocessing_file;                  // The fitted preprocessing to begin with; empty: it is fitted.
    std::vector<core::CheckpointFiles> checkpoints;  // Of another job, to begin with.
  };

  // Checks a request and finds out what its job needs. Called without a lock.
  using Admission = std::function<absl::StatusOr<NewJob>(const v1::CreateJobRequest&)>;
  // The same for a fork.
  using ForkAdmission = std::function<absl::StatusOr<NewJob>(const v1::ForkJobRequest&)>;
  // Checks what a job becomes by more training: its record with the new specs, totals and warnings. Called without a
  // lock.
  using Extension = std::function<absl::StatusOr<v1::Job>(v1::Job)>;

  // Takes up the jobs of the store as job_state.h has it: those that ran are queued again, those that were being paused
  // or cancelled are PAUSED or CANCELLED. The arguments outlive the manager.
  static absl::StatusOr<std::unique_ptr<JobManager>> Start(const Options& options, JobStore* store, EventLog* log,
                                                           DataFolder* folder, Launcher* launcher, Budget* budget);
  // Shutdown without patience, if it was not called.
  ~JobManager();

  // Queues the job that `admit` makes of the request; with validate_only the answer is the same, but nothing is stored.
  // A request_id that was used before gives the job of that call. ALREADY_EXISTS: the id is taken. INVALID_ARGUMENT:
  // the earlier request was another one. FAILED_PRECONDITION: its job was deleted. RESOURCE_EXHAUSTED: the job can
  // never fit. UNAVAILABLE: the server is shutting down. The errors of `admit` come as they are.
  // The job, and a request_id, are the caller's.
  absl::StatusOr<v1::Job> Create(const v1::CreateJobRequest& request, const Admission& admit,
                                 const Caller& caller = Caller());
  // Jobs come with both specs, those of a list as the request's view has it.
  absl::StatusOr<v1::Job> Get(const std::string& id);
  absl::StatusOr<v1::ListJobsResponse> List(const v1::ListJobsRequest& request, const Caller& caller = Caller());
  // INVALID_ARGUMENT, with every violation. ABORTED: the job has another etag. A new priority counts at once.
  absl::StatusOr<v1::Job> Update(const v1::UpdateJobRequest& request);

  // The verbs, by the table in job_verb.h; the answer is the job as it is then. An `etag` that is not empty must be the
  // job's (ABORTED). FAILED_PRECONDITION: not in this state, or its dataset is gone. UNAVAILABLE: the server is
  // shutting down. RESOURCE_EXHAUSTED: a job that is to go on no longer fits.
  absl::StatusOr<v1::Job> Cancel(const std::string& id, const std::string& etag = "");
  absl::StatusOr<v1::Job> Pause(const std::string& id, const std::string& etag = "");
  absl::StatusOr<v1::Job> Resume(const std::string& id, const std::string& etag = "");
  // Resume, to be PAUSED again when this step is done (Job.pause_at_step); 0: not before its end.
  absl::StatusOr<v1::Job> ResumeTo(const std::string& id, uint64_t pause_at_step);
  // Also FAILED_PRECONDITION when the job waits and has trained nothing yet.
  absl::StatusOr<v1::Job> Stop(const std::string& id, const std::string& etag = "");
  // With validate_only the job as it would be. FAILED_PRECONDITION also when its max_duration is over. The errors of
  // `extend` come as they are.
  absl::StatusOr<v1::Job> Extend(const std::string& id, const v1::ExtendJobRequest& request, const Extension& extend);
  absl::Status Delete(const std::string& id, const std::string& etag = "");
  // Create, for a job that begins with a checkpoint of another one: its folder holds that before the job is stored.
  absl::StatusOr<v1::Job> Fork(const v1::ForkJobRequest& request, const ForkAdmission& admit,
                               const Caller& caller = Caller());

  // Runs `remove` unless a job that is not terminal uses the dataset, or without `force` one that has ended was trained
  // on it (FAILED_PRECONDITION); no job that uses it is created meanwhile. `uid` is the dataset's; empty: not known.
  absl::Status RemoveDataset(const std::string& dataset, const std::string& uid, bool force,
                             const std::function<absl::Status()>& remove);
  // Runs `use` with the job as it is; nothing changes its state meanwhile. NOT_FOUND.
  absl::Status WithJob(const std::string& id, const std::function<absl::Status(const v1::Job&)>& use);

  // Starts no more workers, tells those that run to write a checkpoint and end, and waits for them; at the deadline
  // they are killed. Their jobs are QUEUED again for the next server.
  void Shutdown(absl::Duration patience);

  const Capacity& capacity() const { return budget_->capacity(); }

  // How many jobs there are in each state, and how fast those train that have a worker. Neither waits for a commit.
  std::vector<std::pair<v1::JobState, int64_t>> CountByState() const;
  void AddSamples(Samples& samples);

  // What the jobs of an owner have at this moment. Waits for no commit.
  struct Use {
    int64_t queued = 0;
    int64_t running = 0;
    int64_t threads = 0;  // Of those that run, as the memory.
    int64_t memory_bytes = 0;
  };
  Use UseOf(const std::string& owner);

 private:
  // Of a job whose workers fail.
  struct Restarts {
    uint64_t reached = 0;    // The furthest step when the last one failed.
    uint32_t in_row = 0;     // Failures without getting any further, ...
    uint32_t fruitless = 0;  // ... and those of them that count.
  };
  // How fast a job trains, as its newest metrics say; for whoever looks without a lock.
  struct Pace {
    std::atomic<bool> runs = false;  // A worker has it.
    std::atomic<double> step_seconds = 0;
    std::atomic<double> data_wait_seconds = 0;  // Of a step.
    std::atomic<double> examples_per_second = 0;
  };
  struct LiveJob {
    LiveJob(JobKey job_key, std::string job_id) : key(job_key), id(std::move(job_id)) {}
    const JobKey key;
    const std::string id;
    // For whoever counts without a lock; all but the state as the job was made.
    std::string owner;
    int64_t threads = 0;
    int64_t memory_bytes = 0;
    std::atomic<v1::JobState> state = v1::JOB_STATE_UNSPECIFIED;
    std::atomic<uint64_t> heartbeat_step{0};
    absl::Mutex mu;  // Held over a change and its commit: changes of a job happen one after the other.
    v1::Job job ABSL_GUARDED_BY(mu);
    LogPosition position ABSL_GUARDED_BY(mu);
    // What was found in the log so far; nullopt: not looked at since the job came into memory.
    std::optional<core::Insight> insight ABSL_GUARDED_BY(mu);
    std::unique_ptr<Worker> worker ABSL_GUARDED_BY(mu);
    absl::Time passable_until ABSL_GUARDED_BY(mu) = absl::InfiniteFuture();  // While it waits.
    absl::Time attempt_time ABSL_GUARDED_BY(mu);                             // When the newest worker was started.
    absl::Time queued_since ABSL_GUARDED_BY(mu) = absl::Now();  // While it waits; known since this start of the server.
    Standing standing;
    Pace pace;
    Restarts restarts ABSL_GUARDED_BY(mu);
    // Terminal or deleted: whoever waited for `mu` finds the job in the store, or not at all.
    bool forgotten ABSL_GUARDED_BY(mu) = false;
  };
  using LiveJobs = std::map<JobKey, std::shared_ptr<LiveJob>>;
  struct Ended {
    std::shared_ptr<LiveJob> job;
    WorkerExit exit;
    absl::Time time;
  };
  // What a person asked of a job.
  struct Wish {
    JobVerb verb;
    const std::string& id;
    const std::string& etag;
    const v1::Job* extended = nullptr;          // The job as it shall be; of kExtend.
    std::optional<uint64_t> pause_at_step = 0;  // Of kResume; absent: where it is held on its way, if it is.
  };

  JobManager(const Options& options, JobStore* store, EventLog* log, DataFolder* folder, Launcher* launcher,
             Budget* budget)
      : options_(options),
        store_(store),
        log_(log),
        folder_(folder),
        launcher_(launcher),
        budget_(budget),
        queue_(budget->capacity()) {}

  // A call that makes a job, one for each request_id.
  struct Creation {
    std::string method;       // "CreateJob".
    std::string request_id;   // As the store knows it (RequestIdOf); empty: none.
    std::string fingerprint;  // See RequestFingerprint.
    bool validate_only = false;
    std::string owner = "";
  };
  absl::StatusOr<v1::Job> Make(const Creation& creation, const std::function<absl::StatusOr<NewJob>()>& admit);
  // The job of an earlier call with the same request_id, or NOT_FOUND.
  absl::StatusOr<v1::Job> FindEarlier(const Creation& creation);
  // FAILED_PRECONDITION: a job that has ended was trained on the dataset.
  absl::Status CheckNoTraces(const std::string& dataset, const std::string& uid);
  // What may have changed since admission.
  absl::Status CheckNew(const v1::Job& job) ABSL_EXCLUSIVE_LOCKS_REQUIRED(files_mu_);
  // RESOURCE_EXHAUSTED: the owner's quota has no place for another job that waits, none for one like this, or none for
  // its events.
  absl::Status CheckQuotaOf(const v1::Job& job);
  // The quotas and shares of those to whom the jobs belong.
  Owners OwnersOf(absl::Span<const JobSnapshot> jobs);
  // Pauses jobs whose owners have more events than they may. When to look again.
  absl::Time PauseBeyondQuota();
  void PauseForRoom(LiveJob& live, const std::string& why);
  // Notes what is counted without a lock, before others see the job.
  static void Describe(const v1::Job& job, LiveJob& live);
  // Makes the job's folder what a new job finds.
  absl::Status PlaceFiles(const NewJob& admitted) ABSL_EXCLUSIVE_LOCKS_REQUIRED(files_mu_);
  absl::Status PlaceCheckpoints(const std::vector<core::CheckpointFiles>& checkpoints, absl::string_view id)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(files_mu_);
  // Stores the job and makes it live.
  absl::StatusOr<v1::Job> Enqueue(v1::Job job, const Creation& creation) ABSL_EXCLUSIVE_LOCKS_REQUIRED(files_mu_);
  // Stores what the request changes in a job's record; `job` becomes that.
  absl::Status Change(const v1::UpdateJobRequest& request, JobKey key, v1::Job& job)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(files_mu_);
  absl::StatusOr<v1::Job> Act(const Wish& wish);
  absl::StatusOr<v1::Job> Apply(LiveJob& live, const Wish& wish) ABSL_EXCLUSIVE_LOCKS_REQUIRED(live.mu);
  // Whether a job that rests can go on: its dataset is there, the one that it was accepted with, and the server has
  // room for it.
  absl::Status CheckGoesOn(const v1::Job& job);
  // With files_mu_ held, too. The job that was.
  absl::StatusOr<v1::Job> Erase(LiveJob& live) ABSL_EXCLUSIVE_LOCKS_REQUIRED(live.mu);
  // The same for one whose record cannot be read: it is not live, and has no etag.
  absl::StatusOr<v1::Job> EraseDamaged(const std::string& id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(files_mu_);
  // What there is of a job beside its rows.
  absl::Status RemoveTraces(JobKey key, const std::string& id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(files_mu_);
  // Of a job that is to be queued again.
  absl::Status PrepareToGoOn(LiveJob& live, const Wish& wish) ABSL_EXCLUSIVE_LOCKS_REQUIRED(live.mu);
  // A job as the store has it; its position is still to be read, and it is not among the live ones.
  static std::shared_ptr<LiveJob> Load(StoredJob stored);
  absl::Status ReadPosition(LiveJob& live) ABSL_EXCLUSIVE_LOCKS_REQUIRED(live.mu);
  void MakeLive(const std::shared_ptr<LiveJob>& live);
  absl::Status Recover();
  absl::Status RecoverJob(StoredJob stored);
  // Of the last attempt under a server that was killed: from the newest change of the record to the newest event.
  absl::StatusOr<absl::Duration> LostTime(const LiveJob& live) ABSL_EXCLUSIVE_LOCKS_REQUIRED(live.mu);
  void Supervise();
  // When a job that waits for its time is to be started again.
  absl::Time StartWaiting();
  static JobSnapshot SnapshotOf(const LiveJob& live) ABSL_EXCLUSIVE_LOCKS_REQUIRED(live.mu);
  void NotePassed(LiveJob& live, const Reservation& reservation);
  // Fills in why the job waits, if it does.
  void AddQueueStatus(JobKey key, v1::Job& job);
  std::string WhatItWaitsFor(JobKey key);  // See Standing::Text.
  // Tells the jobs that are to end early, and those whose max_duration is over, to end. When to look again.
  absl::Time StopWhatIsDue();
  // The supervisor looks again after the retry interval.
  void TryAgain();
  void Launch(const std::shared_ptr<LiveJob>& live);
  internal::Task TaskOf(const LiveJob& live) ABSL_EXCLUSIVE_LOCKS_REQUIRED(live.mu);
  // False: the store refused; to be tried again.
  bool HandleExit(const Ended& ended);
  // The count as it is after a failure of this moment, before that is judged.
  static Restarts CountFailure(const LiveJob& live) ABSL_EXCLUSIVE_LOCKS_REQUIRED(live.mu);
  absl::Duration WaitAfter(uint32_t failures) const;
  absl::Status OnEvents(LiveJob& live, const std::vector<v1::Event>& events);
  // Waits for room to store events. False: nobody wants them any more.
  bool AwaitRoom(LiveJob& live, const absl::Status& status);
  absl::Status Append(LiveJob& live, const std::vector<v1::Event>& events);
  // Reads what insight has to know of the job's log.
  absl::Status RecallInsight(LiveJob& live) ABSL_EXCLUSIVE_LOCKS_REQUIRED(live.mu);
  // Counts what events that were just stored say of the speed; `before`: the step of the TRAIN event before them.
  void CountTraining(LiveJob& live, const std::vector<v1::Event>& events, uint64_t before);
  // Reads from the store how many jobs there are in each state.
  absl::Status CountAnew();
  // A job has come into a state or left it.
  void Count(v1::JobState state, int64_t more);
  // The STATE event and the record in one transaction. `change` fills in more of the job's record.
  absl::Status Move(LiveJob& live, v1::JobState to, std::string reason,
                    const std::function<void(v1::Job&)>& change = nullptr) ABSL_EXCLUSIVE_LOCKS_REQUIRED(live.mu);
  std::shared_ptr<LiveJob> FindLive(const std::string& id);
  LiveJobs live_jobs();
  void Forget(LiveJob& live) ABSL_EXCLUSIVE_LOCKS_REQUIRED(live.mu);
  // The supervisor has something to look at.
  void Wake();
  bool shutting_down();
  // UNAVAILABLE when the server is shutting down.
  absl::Status CheckServing();

  const Options options_;
  Metrics* const metrics_ = options_.metrics;
  std::array<std::atomic<int64_t>, v1::JobState_ARRAYSIZE> counts_ = {};  // By state.
  JobStore* const store_;
  EventLog* const log_;
  DataFolder* const folder_;
  Launcher* const launcher_;
  Budget* const budget_;
  QueueView queue_;

  // Held while a job is created, and while files that jobs may refer to are removed.
  absl::Mutex files_mu_;

  absl::Mutex mu_ ABSL_ACQUIRED_AFTER(files_mu_);
  LiveJobs live_ ABSL_GUARDED_BY(mu_);
  std::deque<Ended> ended_ ABSL_GUARDED_BY(mu_);
  bool changed_ ABSL_GUARDED_BY(mu_) = true;  // The supervisor has something to look at.
  bool shutting_down_ ABSL_GUARDED_BY(mu_) = false;
  bool workers_gone_ ABSL_GUARDED_BY(mu_) = false;  // For Shutdown: a worker ended since it last looked.
  bool retry_start_ ABSL_GUARDED_BY(mu_) = false;   // A start, or a wish to end, could not be stored.
  bool quit_ ABSL_GUARDED_BY(mu_) = false;

  // Of the supervisor.
  FairShare fair_;
  absl::Time quota_due_ = absl::InfinitePast();
  std::thread supervisor_;
};

}  // namespace traind::server
