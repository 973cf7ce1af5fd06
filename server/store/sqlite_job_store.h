// The durable record of jobs and their events: one SQLite file (WAL, synchronous=FULL). What a call acknowledged
// survives any crash; what failed left no trace.
//
// One thread does all writing. Changes that arrive while a commit is under way share the next one, so that many events
// cost one fsync; each has a savepoint of its own, and one that is refused does not harm its neighbours.
// Thread-safe. Every call may block on the disk.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "server/store/sqlite.h"
#include "traind/v1/event.pb.h"
#include "traind/v1/job.pb.h"

namespace traind::server {

// Which oneof branch of the event is set.
v1::EventKind KindOf(const v1::Event& event);

// The position of a job in the order of arrival: unique, never used again.
using JobKey = int64_t;

struct StoredJob {
  JobKey key = 0;
  v1::Job job;
};

class Store {
 public:
  struct Options {
    std::string path;
    int64_t max_bytes = 0;  // The file may not grow beyond this; 0: as far as the disk goes.
  };
  // Creates the file if absent. FAILED_PRECONDITION: written by a newer version. DATA_LOSS: not a sound database.
  static absl::StatusOr<std::unique_ptr<Store>> Open(const Options& options);
  ~Store();

  // --- Changes. Each is one transaction, durable when the call returns OK; else nothing of it is stored.
  // RESOURCE_EXHAUSTED: the disk is full. UNAVAILABLE: the disk failed; the caller may try again.

  // A new job with its first events. ALREADY_EXISTS: the job's id or its request_id is taken.
  absl::StatusOr<JobKey> CreateJob(const v1::Job& job, const std::vector<v1::Event>& events);
  // Replaces the job's record, progress and last_sequence included, and appends the events.
  absl::Status UpdateJob(JobKey key, const v1::Job& job, const std::vector<v1::Event>& events);
  // Replaces progress and last_sequence only, and appends the events.
  absl::Status AppendEvents(JobKey key, const v1::Job& job, const std::vector<v1::Event>& events);
  absl::Status DeleteJob(JobKey key);

  // --- Reads. They see every change acknowledged before.
  absl::StatusOr<StoredJob> GetJob(const std::string& id);                                // NOT_FOUND.
  absl::StatusOr<std::optional<std::string>> FindRequest(const std::string& request_id);  // The job's id.
  // Hands over the jobs, newest first, with keys below `before` (0: all) and a state of `states` (empty: all), until
  // `add` returns false. `add` must not call back into the store.
  absl::Status ListJobs(JobKey before, const std::vector<v1::JobState>& states,
                        const std::function<bool(StoredJob)>& add);
  absl::StatusOr<std::vector<std::string>> JobIds();

  struct ReadOptions {
    int64_t after_sequence = 0;
    int64_t max_bytes = 256 << 10;  // At least one event comes, however large.
    int max_events = 1024;          // Also of those left out by `kinds`.
    uint32_t kinds = ~0u;           // Bit 1 << kind.
  };
  struct EventBatch {
    std::vector<std::shared_ptr<const v1::Event>> events;
    int64_t last_scanned = 0;  // Go on after this one; after_sequence when there was nothing more.
  };
  absl::StatusOr<EventBatch> ReadEvents(JobKey key, const ReadOptions& options);
  // The newest event of a kind and step.
  absl::StatusOr<std::optional<v1::Event>> FindEvent(JobKey key, v1::EventKind kind, uint64_t step);
  // The highest step of each kind, by its number; absent: no event of the kind.
  absl::StatusOr<std::vector<std::optional<uint64_t>>> LastSteps(JobKey key);

 private:
  // What the writer thread runs inside a transaction.
  using Change = std::function<absl::Status()>;
  struct Pending {
    Change change;
    bool done = false;
    absl::Status status;
  };

  Store(Connection writer, Connection reader) : writer_(std::move(writer)), reader_(std::move(reader)) {}
  static absl::Status Prepare(sqlite3* connection, const Options& options);
  absl::Status PrepareStatements();
  absl::Status Commit(Change change);
  void WriterLoop();
  // Runs the changes in one transaction and sets their status; false when the transaction as a whole failed.
  bool CommitGroup(const std::vector<Pending*>& group);
  // Only in a change.
  absl::Status InsertEvents(JobKey key, const std::vector<v1::Event>& events);

  const Connection writer_;  // Used by the writer thread only, as its statements.
  Statement insert_job_, insert_request_, update_job_, update_progress_, insert_event_;

  absl::Mutex read_mu_;
  const Connection reader_ ABSL_PT_GUARDED_BY(read_mu_);
  Statement get_job_ ABSL_GUARDED_BY(read_mu_);
  Statement find_request_ ABSL_GUARDED_BY(read_mu_);
  Statement list_jobs_ ABSL_GUARDED_BY(read_mu_);
  Statement job_ids_ ABSL_GUARDED_BY(read_mu_);
  Statement read_events_ ABSL_GUARDED_BY(read_mu_);
  Statement find_event_ ABSL_GUARDED_BY(read_mu_);
  Statement last_steps_ ABSL_GUARDED_BY(read_mu_);

  absl::Mutex mu_;
  std::vector<Pending*> pending_ ABSL_GUARDED_BY(mu_);
  bool closing_ ABSL_GUARDED_BY(mu_) = false;
  std::thread writer_thread_;
};

}  // namespace traind::server
