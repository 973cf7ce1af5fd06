// The sweeps of this server. Every decision is in the sweep's log (server/store/sweep_store.h) before it is carried
// out, and what is carried out is found out again from the log and the jobs after a crash: nothing else is remembered.
// What follows from a log is core/search; this is the part with a clock, a disk and jobs.
//
// One supervisor thread looks at the trials of live sweeps every `interval`, longer when there are many: it notes what
// has come of their jobs, appends what follows, and creates, resumes, stops and cancels jobs. Thread-safe; every call
// may block on the disk, and Create, which checks jobs, for longer.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "core/base/stop_check.h"
#include "core/search/search.h"
#include "server/resources/caller.h"
#include "server/store/job_store.h"
#include "server/store/sweep_store.h"
#include "server/sweeps/trial_jobs.h"
#include "traind/v1/sweep_service.pb.h"

namespace traind::server {

class SweepManager {
 public:
  struct Options {
    absl::Duration interval = absl::Milliseconds(100);  // Between two looks at the trials.
    absl::Duration per_trial = absl::Milliseconds(2);   // The same is at least so long for each trial under way.
    absl::Duration retry_interval = absl::Seconds(2);   // After something that may be tried again.
    size_t max_sweeps = 1000;
    size_t max_live = 64;
    std::function<absl::Time()> now = absl::Now;
    bool supervise = true;  // With a thread; otherwise Look() is to be called.
  };

  // Takes up the sweeps of the store that are not terminal. The arguments outlive the manager.
  static absl::StatusOr<std::unique_ptr<SweepManager>> Start(const Options& options, SweepStore* store,
                                                             JobStore* requests, TrialJobs* jobs);
  ~SweepManager();

  // The methods of SweepService, with its errors.
  absl::StatusOr<v1::Sweep> Create(const v1::CreateSweepRequest& request, const Caller& caller,
                                   const core::StopCheck& stop);
  absl::StatusOr<v1::Sweep> Get(const std::string& id);
  absl::StatusOr<v1::ListSweepsResponse> List(const v1::ListSweepsRequest& request, const Caller& caller);
  absl::StatusOr<v1::Sweep> Update(const v1::UpdateSweepRequest& request);
  absl::StatusOr<v1::Sweep> Pause(const std::string& id, const std::string& etag);
  absl::StatusOr<v1::Sweep> Resume(const std::string& id, const std::string& etag);
  absl::StatusOr<v1::Sweep> Stop(const std::string& id, const std::string& etag);
  absl::StatusOr<v1::Sweep> Cancel(const std::string& id, const std::string& etag);
  absl::Status Delete(const v1::DeleteSweepRequest& request, const std::string& id);
  absl::StatusOr<v1::Trial> GetTrial(const std::string& id, const std::string& number);
  absl::StatusOr<v1::ListTrialsResponse> ListTrials(const v1::ListTrialsRequest& request, const std::string& id);
  absl::StatusOr<v1::ListSweepEntriesResponse> ListEntries(const v1::ListSweepEntriesRequest& request,
                                                           const std::string& id);
  absl::StatusOr<v1::Trial> RerunTrial(const std::string& id, const std::string& number);
  absl::StatusOr<v1::Trial> CreateTrial(const v1::CreateTrialRequest& request, const std::string& id,
                                        const core::StopCheck& stop);
  absl::StatusOr<v1::SuggestTrialsResponse> SuggestTrials(const v1::SuggestTrialsRequest& request,
                                                          const std::string& id);
  absl::StatusOr<v1::Trial> AddMeasurement(const v1::AddMeasurementRequest& request, const std::string& id,
                                           const std::string& number);
  absl::StatusOr<v1::Trial> CompleteTrial(const v1::CompleteTrialRequest& request, const std::string& id,
                                          const std::string& number);
  absl::StatusOr<v1::ShouldTrialStopResponse> ShouldTrialStop(const std::string& id, const std::string& number);

  // One look at all live sweeps, as the supervisor does it. When to look again. One call at a time.
  absl::Duration Look();
  // Ends the supervisor. Jobs go on; the next start takes the sweeps up.
  void Shutdown();

 private:
  // What is known of a trial's job; of the supervisor, and lost with it.
  struct Seen {
    v1::JobState state = v1::JOB_STATE_UNSPECIFIED;
    uint64_t step = 0;
    uint64_t total_steps = 0;
    std::string waits_for;       // "its job is PAUSED: ..."; empty: nothing odd.
    bool settled = false;        // The trial has ended, and so has its job, or there is none.
    int64_t evaluations_to = 0;  // Looked at up to this event.
    std::optional<v1::Measurement> last, best;
    absl::Time not_before = absl::InfinitePast();  // What may be tried again, ...
    bool held = false;                             // ... or is held, and looked at more seldom.
  };
  struct Live {
    Live(SweepKey sweep_key, v1::Sweep sweep) : key(sweep_key), record(std::move(sweep)), search(record.spec()) {}
    SweepKey key;
    v1::Sweep record;
    core::Search search;
    std::map<uint32_t, Seen> seen;  // By trial.
    std::string trouble;            // The store refuses, a trial cannot be made yet, ...
  };
  using LivePtr = std::shared_ptr<Live>;
  // What the supervisor takes out of the lock for one trial, and brings back.
  struct Task {
    core::SearchTrial trial;
    Seen seen;
    std::string parent_job;  // Of one that begins from another's checkpoint.
    bool cancelling = false;
    bool keep_held = false;  // Somebody still has to begin from its checkpoint.
    std::vector<v1::SweepEntry> heard = {};
  };

  SweepManager(const Options& options, SweepStore* store, JobStore* requests, TrialJobs* jobs)
      : options_(options), store_(store), requests_(requests), jobs_(jobs) {}
  absl::Status Recover();
  // The sweep with its log, from the store.
  absl::StatusOr<LivePtr> Load(const std::string& id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // What a client sees of one that has ended, out of its record, without its log; nullopt: it is live, there is none,
  // or its record does not say.
  std::optional<v1::Sweep> FindEnded(const std::string& id);
  // Live, or loaded for this call.
  absl::StatusOr<LivePtr> Find(const std::string& id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Stores the entry, then applies it; its sequence and time are filled in.
  absl::Status Append(Live& live, v1::SweepEntry entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status Turn(Live& live, v1::SweepState state, std::string reason,
                    v1::SweepState ends_as = v1::SWEEP_STATE_UNSPECIFIED) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::StatusOr<v1::Sweep> Steer(const std::string& id, const std::string& etag,
                                  const std::function<absl::Status(Live&)>& change);
  // A trial of a sweep that the caller may be about to change. FAILED_PRECONDITION: the server trains.
  absl::StatusOr<LivePtr> FindForClient(const std::string& id, uint32_t trial) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // ALREADY_EXISTS: a job has the id that a trial's job would have.
  absl::Status CheckJobsAreFree(const v1::Sweep& sweep);
  absl::StatusOr<v1::Sweep> FindEarlier(const std::string& known_as, const std::string& fingerprint)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  // --- The supervisor.
  void Supervise();
  absl::Duration LookAt(const std::string& id);
  std::vector<Task> TasksOf(Live& live) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void CarryOut(const v1::Sweep& sweep, Task& task);
  void CarryOutWithJob(const v1::Sweep& sweep, const v1::Job& job, Task& task);
  void MakeJob(const v1::Sweep& sweep, Task& task);
  // UpdateSweep may have changed the sharing while the trial's job was made, and have missed it.
  void ShareAgain(const v1::Sweep& sweep, uint32_t trial);
  // Cancels one that has trained nothing yet. FAILED_PRECONDITION: it is PAUSING; to be tried again.
  absl::StatusOr<v1::Job> StopOrCancel(const v1::Job& job);
  void Settle(const v1::Job& of, Task& task);
  // Reads the job's newer evaluations. With median_stopping each becomes an entry.
  absl::Status Evaluate(const v1::Sweep& sweep, Task& task);
  void Hear(Live& live, Task& task) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Appends what follows. False: something is to be tried again later.
  bool Decide(const LivePtr& live);
  // All trials have ended, and their jobs.
  static bool IsSettled(Live& live);
  void EndIfOver(Live& live) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  // --- What callers see (sweep_view.cc).
  v1::Sweep Public(const Live& live) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  v1::SweepSummary SummaryOf(const Live& live) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  v1::Trial PublicTrial(const Live& live, const core::SearchTrial& trial, bool measurements) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // With the state of the trial's job, of which the store is asked.
  v1::Trial WithJob(const v1::Sweep& sweep, v1::Trial trial);
  google::protobuf::Timestamp Stamp() const;

  const Options options_;
  SweepStore* const store_;
  JobStore* const requests_;  // Remembers requests of deleted sweeps; null: nobody does.
  TrialJobs* const jobs_;

  absl::Mutex mu_;
  std::map<std::string, LivePtr> live_ ABSL_GUARDED_BY(mu_);
  bool changed_ ABSL_GUARDED_BY(mu_) = true;
  bool quit_ ABSL_GUARDED_BY(mu_) = false;
  std::thread supervisor_;
};

// "{sweep}-{number}": the id of a trial's job.
std::string TrialJobId(const v1::Sweep& sweep, uint32_t number);
// Whether the job is that trial's, and not another one of the same name.
bool IsJobOf(const v1::Job& job, const v1::Sweep& sweep, uint32_t number);

}  // namespace traind::server
