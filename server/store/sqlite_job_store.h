// The jobs, their events and the operations in one SQLite file (WAL, synchronous=FULL).
//
// One thread does all writing. Changes that arrive while a commit is under way share the next one, so that many events
// cost one fsync; each has a savepoint of its own, and one that is refused does not harm its neighbours. Between
// commits it thins old statistics (thinning.h), removes the events of deleted jobs in pieces, and makes the file
// shorter.
#pragma once

#include <cstdint>
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
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "server/store/disk_reserve.h"
#include "server/store/job_store.h"
#include "server/store/operation_store.h"
#include "server/store/sqlite.h"
#include "server/store/statistics_thinner.h"
#include "server/telemetry/metrics.h"

namespace traind::server {

class SqliteJobStore final : public JobStore, public OperationStore {
 public:
  struct Options {
    std::string path;
    int64_t max_bytes = 0;  // The file may not grow beyond this; 0: as far as the disk goes.
    // What changes that end or remove something may take of, when the disk is full; those that begin or add something
    // wait until it is whole again. Null: none. Outlives the store.
    DiskReserve* reserve = nullptr;
    Metrics* metrics = Metrics::Unread();  // Outlives the store.
  };
  // Creates the file if absent, and brings one of an older traind to this one's schema (see sqlite_schema.h).
  // FAILED_PRECONDITION: written by a newer version. DATA_LOSS: not a sound database.
  static absl::StatusOr<std::unique_ptr<SqliteJobStore>> Open(const Options& options);
  ~SqliteJobStore() override;

  absl::StatusOr<JobKey> CreateJob(const v1::Job& job, const std::vector<v1::Event>& events,
                                   const StoredRequest* request = nullptr) override;
  absl::Status UpdateJob(JobKey key, const v1::Job& job, const std::vector<v1::Event>& events) override;
  absl::Status AppendEvents(JobKey key, const v1::Job& job, const std::vector<v1::Event>& events) override;
  absl::Status DeleteJob(JobKey key) override;
  void ThinReports(JobKey key) override;
  absl::Status PutRequest(const StoredRequest& request) override;
  absl::Status EndRequests(const std::string& resource, absl::Time now) override;

  absl::StatusOr<StoredJob> GetJob(const std::string& id) override;
  absl::StatusOr<JobKey> KeyOf(const std::string& id) override;
  absl::StatusOr<std::optional<StoredRequest>> FindRequest(const std::string& request_id, absl::Time now) override;
  absl::Status ListJobs(JobKey before, const std::vector<v1::JobState>& states,
                        const std::function<bool(StoredJob)>& add, const NameDamaged& damaged = nullptr) override;
  absl::StatusOr<std::vector<std::string>> JobIds() override;
  absl::StatusOr<int64_t> EventBytesOf(const std::string& owner) override;
  absl::StatusOr<std::map<v1::JobState, int64_t>> CountJobs() override;
  absl::StatusOr<EventUse> MeasureEvents(JobKey key) override;
  absl::StatusOr<EventBatch> ReadEvents(JobKey key, const ReadOptions& options) override;
  absl::StatusOr<std::optional<v1::Event>> FindEvent(JobKey key, v1::EventKind kind, uint64_t step) override;
  absl::StatusOr<std::vector<std::optional<uint64_t>>> LastSteps(JobKey key) override;

  absl::StatusOr<OperationKey> CreateOperation(const internal::OperationRecord& record,
                                               const StoredRequest* request = nullptr) override;
  absl::Status UpdateOperation(OperationKey key, const internal::OperationRecord& record) override;
  absl::Status DeleteOperation(OperationKey key, absl::Time now) override;
  absl::StatusOr<StoredOperation> GetOperation(const std::string& id) override;
  absl::StatusOr<OperationKey> KeyOfOperation(const std::string& id) override;
  absl::Status ListOperations(OperationKey before, const std::function<bool(StoredOperation)>& add,
                              const std::function<void(std::string name)>& damaged = nullptr) override;

 private:
  struct PreparedStatement {
    sqlite3* connection;
    Statement* statement;
    const char* sql;
  };
  // What the writer thread runs inside a transaction.
  using Change = std::function<absl::Status()>;
  // Whether a change is to have room in any case.
  enum class Need : uint8_t { kMore, kMust };
  struct Pending {
    Change change;
    Need need = Need::kMore;
    bool done = false;
    absl::Status status;
  };

  SqliteJobStore(Connection writer, Connection reader, Connection counter, const Options& options)
      : reserve_(options.reserve),
        metrics_(options.metrics),
        writer_(std::move(writer)),
        reader_(std::move(reader)),
        counter_(std::move(counter)) {}
  // In the file as it is.
  static absl::StatusOr<std::unique_ptr<SqliteJobStore>> TryOpen(const Options& options);
  absl::Status PrepareStatements();
  // Of the row that the statement finds by the id.
  absl::StatusOr<int64_t> KeyIn(Statement& statement, const std::string& id, absl::string_view type,
                                absl::string_view collection) ABSL_EXCLUSIVE_LOCKS_REQUIRED(read_mu_);
  absl::Status PrepareOperationStatements() ABSL_EXCLUSIVE_LOCKS_REQUIRED(read_mu_);
  static absl::Status PrepareAll(absl::Span<const PreparedStatement> entries);
  absl::Status Commit(Need need, Change change);
  void WriterLoop();
  // Those of the group that there is room for; the others have their status.
  std::vector<Pending*> Admitted(const std::vector<Pending*>& group);
  // In a transaction of its own, with the room that it needs if it must.
  void CommitAlone(Pending& pending);
  // Runs the changes in one transaction and sets their status; false when the transaction as a whole failed.
  bool CommitGroup(const std::vector<Pending*>& group);
  absl::Status RunGroup(const std::vector<Pending*>& group);
  // When to clean up, if nothing else is to do.
  absl::Time clean_at() const { return cleaning_ == Cleaning::kDone ? absl::InfiniteFuture() : clean_after_; }
  // A piece of what is to be cleaned up: some ten milliseconds.
  void CleanSome();
  absl::Status RemoveSomeEvents();
  absl::Status ShortenFile();
  // Writes the log into the file when it is long.
  void BoundLog();
  // Only in a change.
  absl::Status InsertEvents(JobKey key, const std::vector<v1::Event>& events);
  // Forgets what is due before. ALREADY_EXISTS: the request_id is taken by another resource.
  absl::Status InsertRequest(const StoredRequest& request);
  absl::Status MarkRequests(absl::string_view resource, absl::Time now);
  absl::Status ForgetRequests(absl::Time now);

  DiskReserve* const reserve_;
  Metrics* const metrics_;
  const Connection writer_;  // Used by the writer thread only, as its statements.
  // What the writer does while nobody waits: the events of deleted jobs go, then the file gets shorter.
  enum class Cleaning : uint8_t { kEvents, kFile, kDone };
  Cleaning cleaning_ = Cleaning::kEvents;
  absl::Time clean_after_ = absl::InfinitePast();
  int64_t events_at_once_ = 256;
  int log_pages_ = 0;  // In the write-ahead log since it began anew.
  Statement next_doomed_, remove_events_;
  Statement insert_size_, add_size_, remove_size_;
  Statement insert_job_, update_job_, update_progress_, insert_event_, job_name_;
  Statement insert_request_, mark_requests_, forget_requests_;
  Statement insert_operation_, update_operation_, operation_name_;
  StatisticsThinner thinner_;

  absl::Mutex read_mu_;
  const Connection reader_ ABSL_PT_GUARDED_BY(read_mu_);
  Statement get_job_ ABSL_GUARDED_BY(read_mu_);
  Statement key_of_job_ ABSL_GUARDED_BY(read_mu_);
  Statement find_request_ ABSL_GUARDED_BY(read_mu_);
  Statement list_jobs_ ABSL_GUARDED_BY(read_mu_);
  Statement job_ids_ ABSL_GUARDED_BY(read_mu_);
  Statement event_bytes_ ABSL_GUARDED_BY(read_mu_);
  Statement count_jobs_ ABSL_GUARDED_BY(read_mu_);
  Statement read_events_ ABSL_GUARDED_BY(read_mu_);
  Statement find_event_ ABSL_GUARDED_BY(read_mu_);
  Statement last_steps_ ABSL_GUARDED_BY(read_mu_);
  Statement get_operation_ ABSL_GUARDED_BY(read_mu_);
  Statement key_of_operation_ ABSL_GUARDED_BY(read_mu_);
  Statement list_operations_ ABSL_GUARDED_BY(read_mu_);

  absl::Mutex count_mu_;
  const Connection counter_ ABSL_PT_GUARDED_BY(count_mu_);  // For what takes long.

  absl::Mutex mu_;
  std::vector<Pending*> pending_ ABSL_GUARDED_BY(mu_);
  bool closing_ ABSL_GUARDED_BY(mu_) = false;
  std::thread writer_thread_;
};

}  // namespace traind::server
