// The operations of this server: work of minutes that a client asks for in one call and hears of in others. Every
// change of an operation's state is in the store before anybody sees it. Operations that are not done are held in
// memory, all others in the store only, for a week.
//
// The work runs in a worker process. One that dies is begun anew, at most max_attempts times; what the server's own end
// interrupts is begun anew at the next start and not counted.
//
// One supervisor thread starts operations, handles the ends of workers, answers those who wait and forgets what is old.
// Thread-safe; every call may block on the disk.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "google/protobuf/message.h"
#include "server/operations/operation_state.h"
#include "server/operations/operation_work.h"
#include "server/resources/caller.h"
#include "server/scheduler/budget.h"
#include "server/store/data_folder.h"
#include "server/store/operation_store.h"
#include "server/workers/worker.h"
#include "traind/v1/operation.pb.h"

namespace traind::server {

class OperationManager {
 public:
  struct Options {
    size_t max_live = 100;  // Operations that are not done.
    uint32_t max_attempts = 4;
    absl::Duration lifetime = absl::Hours(7 * 24);     // Of a done operation.
    absl::Duration retry_interval = absl::Seconds(1);  // Between attempts to store what the disk refused.
    absl::Duration purge_interval = absl::Hours(1);
    absl::Duration first_wait = absl::Seconds(1);    // Before a worker that could not be started is tried again, ...
    absl::Duration longest_wait = absl::Minutes(1);  // ... and at most, after doubling.
    std::function<absl::Time()> now = absl::Now;
  };
  // An operation that was admitted.
  struct NewOperation {
    std::string target = "";
    internal::Task task = {};
    int64_t memory_bytes = 0;            // Or Budget::kNotCounted.
    std::vector<std::string> uses = {};  // Names of resources; see OperationRecord.
    std::vector<std::string> warnings = {};
  };
  // Checks the request and finds out what its work needs. Called without a lock.
  using Admission = std::function<absl::StatusOr<NewOperation>()>;
  using Answer = std::function<void(absl::StatusOr<v1::Operation>)>;
  using WaitId = uint64_t;

  // Takes up the operations of the store: those that ran are queued again. The arguments outlive the manager.
  static absl::StatusOr<std::unique_ptr<OperationManager>> Start(const Options& options, OperationStore* store,
                                                                 DataFolder* folder, Launcher* launcher,
                                                                 Budget* budget);
  // Shutdown, if it was not called.
  ~OperationManager();

  // Queues what `admit` makes of the request, a message with a field request_id. A request_id that was used before
  // gives the operation of that call; INVALID_ARGUMENT when that was another call, FAILED_PRECONDITION when the
  // operation was deleted. The operation, and the request_id, are the caller's. RESOURCE_EXHAUSTED: too many wait.
  // UNAVAILABLE: the server is shutting down.
  absl::StatusOr<v1::Operation> Create(const std::string& method, const google::protobuf::Message& request,
                                       const Admission& admit, const Caller& caller = Caller());
  absl::StatusOr<v1::Operation> Get(const std::string& id);
  absl::StatusOr<v1::ListOperationsResponse> List(const v1::ListOperationsRequest& request,
                                                  const Caller& caller = Caller());
  absl::StatusOr<v1::Operation> Cancel(const std::string& id);
  absl::Status Delete(const std::string& id);

  // Calls `answer` once, with the operation, when it is done or at `deadline`, whichever is first; or with an error.
  // Perhaps at once, perhaps in the supervisor thread: it must be quick and not call back.
  WaitId Wait(const std::string& id, absl::Time deadline, Answer answer);
  // Answers a wait that was not answered yet with CANCELLED.
  void StopWaiting(WaitId wait);

  // The name of an operation that is not done and needs the resource; empty: none does.
  std::string UserOf(const std::string& resource);

  // Those that are not done.
  struct Counts {
    int64_t queued = 0;   // Wait for their turn.
    int64_t running = 0;  // A worker has them.
  };
  Counts Count();

  // Starts no more workers and kills those that run: their operations are QUEUED again for the next server. Whoever
  // waits gets UNAVAILABLE.
  void Shutdown();

 private:
  struct Live {
    internal::OperationRecord record;
    std::string queue_reason;
    absl::Time not_before = absl::InfinitePast();   // While the machine is short of something, ...
    absl::Duration wait = absl::ZeroDuration();     // ... for so long the last time.
    std::optional<v1::OperationProgress> progress;  // Of this attempt.
    int64_t first_done = 0;                         // Its first one, and when: the rate is measured from there.
    absl::Time first_time;
    internal::Task attempt;                // Of the worker.
    std::shared_ptr<Worker> worker;        // Null while it is being started. Kill must not be called with mu_ held.
    std::shared_ptr<Budget::Lease> lease;  // Of this attempt, or its place in the line. No call with mu_ held.
  };
  using LiveOperations = std::map<OperationKey, Live>;  // In the order of arrival.
  using Change = std::function<void(internal::OperationRecord&)>;
  struct Ended {
    OperationKey key = 0;
    WorkerExit exit;
  };
  struct Waiting {
    OperationKey key = 0;
    std::string id;
    absl::Time deadline;
    Answer answer;
  };

  OperationManager(const Options& options, OperationStore* store, DataFolder* folder, Launcher* launcher,
                   Budget* budget)
      : options_(options), store_(store), folder_(folder), launcher_(launcher), budget_(budget), work_(folder) {}

  // Of an earlier call with the same request_id.
  std::optional<absl::StatusOr<v1::Operation>> FindEarlier(const std::string& request_id, const std::string& method,
                                                           const std::string& fingerprint);
  // `request_id` as the store knows it.
  absl::StatusOr<v1::Operation> Enqueue(internal::OperationRecord record, const std::string& request_id,
                                        const std::string& fingerprint) ABSL_EXCLUSIVE_LOCKS_REQUIRED(create_mu_);
  absl::Status CheckRoom();
  // The row and the folder of a done operation.
  absl::Status Remove(OperationKey key, absl::string_view id);

  absl::Status Recover();
  absl::Status TakeUp(StoredOperation stored);
  void Supervise();
  absl::Time NextWake() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void StartWaiting();
  // Gives each queued operation a place in the budget's line.
  void AskForTurns();
  Budget::Need NeedOf(const internal::OperationRecord& record) const;
  // Of a queued operation; null: it is none any more.
  std::shared_ptr<Budget::Lease> LeaseOf(OperationKey key);
  // False: nothing was started.
  bool Launch(OperationKey key, uint32_t threads);
  WorkerCallbacks CallbacksOf(OperationKey key, const std::string& name);
  void OnProgress(OperationKey key, const v1::OperationProgress& progress);
  void HandleExits();
  // False: the store refused; to be tried again.
  bool HandleExit(const Ended& ended);
  absl::StatusOr<google::protobuf::Any> Respond(const internal::OperationRecord& record, const internal::Task& attempt,
                                                const internal::Result& result);
  void AnswerWaiting();
  absl::Status Purge();

  // Stores the record with another state, and with what `change` fills in; then the operation has it.
  absl::Status Move(OperationKey key, Live& live, v1::OperationState to, const Change& change = nullptr)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  static Change SetError(const absl::Status& status);
  // Of one that is done.
  void Forget(LiveOperations::iterator live) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // As clients see it.
  v1::Operation Public(const Live& live) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  v1::OperationProgress ProgressOf(const Live& live) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // end() when none of this id is live.
  LiveOperations::iterator Find(absl::string_view id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  google::protobuf::Timestamp Stamp() const;
  bool shutting_down();

  const Options options_;
  OperationStore* const store_;
  DataFolder* const folder_;
  Launcher* const launcher_;
  Budget* const budget_;
  OperationWork work_;
  absl::Time next_purge_;  // Of the supervisor.

  absl::Mutex create_mu_;  // Held while an operation is created.

  absl::Mutex mu_ ABSL_ACQUIRED_AFTER(create_mu_);
  LiveOperations live_ ABSL_GUARDED_BY(mu_);
  std::deque<Ended> ended_ ABSL_GUARDED_BY(mu_);
  std::map<WaitId, Waiting> waiting_ ABSL_GUARDED_BY(mu_);
  WaitId last_wait_ ABSL_GUARDED_BY(mu_) = 0;
  bool changed_ ABSL_GUARDED_BY(mu_) = true;  // The supervisor has something to look at.
  bool retry_ ABSL_GUARDED_BY(mu_) = false;   // The store refused something.
  bool shutting_down_ ABSL_GUARDED_BY(mu_) = false;
  std::thread supervisor_;
};

}  // namespace traind::server
