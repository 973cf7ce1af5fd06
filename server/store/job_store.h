// The durable record of jobs and their events. An acknowledged call survives any crash; a failed one leaves no trace.
// Thread-safe. Every call may block on the disk.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/resources/request_id.h"
#include "traind/v1/event.pb.h"
#include "traind/v1/job.pb.h"

namespace traind::server {

// Which oneof branch of the event is set.
v1::EventKind KindOf(const v1::Event& event);

// The position of a job in the order of arrival: positive, unique, never used again.
using JobKey = int64_t;

struct StoredJob {
  JobKey key = 0;
  v1::Job job;
};

// Takes the name of something whose record is damaged.
using NameDamaged = std::function<void(std::string name)>;

class JobStore {
 public:
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

  struct EventUse {
    int64_t events = 0;
    int64_t bytes = 0;
    int64_t reports = 0;  // Whole reports of statistics among them, ...
    int64_t report_bytes = 0;
  };

  virtual ~JobStore() = default;

  // --- Changes. Each is one transaction, durable when the call returns OK; else nothing of it is stored.
  // RESOURCE_EXHAUSTED: the disk is full. UNAVAILABLE: the disk failed; the caller may try again. ALREADY_EXISTS: an
  // event's sequence number is taken.

  // A new job with its first events, and the request that makes it (null: it has no request_id). ALREADY_EXISTS: the
  // job's id or the request_id is taken.
  virtual absl::StatusOr<JobKey> CreateJob(const v1::Job& job, const std::vector<v1::Event>& events,
                                           const StoredRequest* request = nullptr) = 0;
  // Replaces the job's record, progress and last_sequence included, and appends the events. The name stays.
  virtual absl::Status UpdateJob(JobKey key, const v1::Job& job, const std::vector<v1::Event>& events) = 0;
  // Replaces progress and last_sequence only, and appends the events.
  virtual absl::Status AppendEvents(JobKey key, const v1::Job& job, const std::vector<v1::Event>& events) = 0;
  // The job and its events; its request is kept as EndRequests says.
  virtual absl::Status DeleteJob(JobKey key) = 0;
  // Of the whole reports of statistics of a job that has ended the first, the last and what holds an extreme are to
  // stay. It is done by and by; nothing is durable when the call returns.
  virtual void ThinReports(JobKey key) = 0;
  // A request that makes something else than a job. ALREADY_EXISTS: the request_id is taken by another resource.
  virtual absl::Status PutRequest(const StoredRequest& request) = 0;
  // `resource` was deleted at `now`: its requests are remembered for kRequestLifetime, those of resources that were
  // deleted longer ago are forgotten.
  virtual absl::Status EndRequests(const std::string& resource, absl::Time now) = 0;

  // --- Reads. They see every change acknowledged before.

  // NOT_FOUND. DATA_LOSS, with the name: its record is damaged.
  virtual absl::StatusOr<StoredJob> GetJob(const std::string& id) = 0;
  // Of a job whose record may be damaged. NOT_FOUND.
  virtual absl::StatusOr<JobKey> KeyOf(const std::string& id) = 0;
  // The call that had the request_id, unless it is to be forgotten at `now`.
  virtual absl::StatusOr<std::optional<StoredRequest>> FindRequest(const std::string& request_id, absl::Time now) = 0;
  // Hands over the jobs, newest first, with keys below `before` (0: all) and a state of `states` (empty: all), until
  // `add` returns false. Those whose records are damaged are passed over and named to `damaged`. Neither may call back
  // into the store.
  virtual absl::Status ListJobs(JobKey before, const std::vector<v1::JobState>& states,
                                const std::function<bool(StoredJob)>& add, const NameDamaged& damaged = nullptr) = 0;
  // In the order of arrival.
  virtual absl::StatusOr<std::vector<std::string>> JobIds() = 0;
  // What the events of the owner's jobs take, as they are stored.
  virtual absl::StatusOr<int64_t> EventBytesOf(const std::string& owner) = 0;
  // How many there are in each state, damaged ones among them.
  virtual absl::StatusOr<std::map<v1::JobState, int64_t>> CountJobs() = 0;

  // What the job's events take. It may read all of them, and waits for no other call.
  virtual absl::StatusOr<EventUse> MeasureEvents(JobKey key) = 0;
  // In place of an event that is damaged there is a LOG event of level ERROR that says so.
  virtual absl::StatusOr<EventBatch> ReadEvents(JobKey key, const ReadOptions& options) = 0;
  // The newest event of a kind and step; none when that is damaged.
  virtual absl::StatusOr<std::optional<v1::Event>> FindEvent(JobKey key, v1::EventKind kind, uint64_t step) = 0;
  // The highest step of each kind, by its number; absent: no event of the kind.
  virtual absl::StatusOr<std::vector<std::optional<uint64_t>>> LastSteps(JobKey key) = 0;
};

}  // namespace traind::server
