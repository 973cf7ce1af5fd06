// The sweeps and their logs, in the job store's file, by a connection of its own. An acknowledged change survives any
// crash; a failed one leaves no trace. Thread-safe; every call may block on the disk.
//
// Errors: RESOURCE_EXHAUSTED: the disk is full. UNAVAILABLE: the disk failed, or another writer had the file for long;
// it may be tried again.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "server/store/sqlite.h"
#include "traind/internal/sweep.pb.h"
#include "traind/v1/sweep.pb.h"

namespace traind::server {

// The position of a sweep in the order of arrival: positive, unique, never used again.
using SweepKey = int64_t;

struct StoredSweep {
  SweepKey key = 0;
  v1::Sweep sweep = {};  // With summary and last_sequence only once it has ended.
};

class SweepStore {
 public:
  // The file is there, or is made. FAILED_PRECONDITION: written by a newer version.
  static absl::StatusOr<std::unique_ptr<SweepStore>> Open(const std::string& path);

  // A call that made a sweep.
  struct Request {
    std::string request_id = "";  // As RequestIdOf has it; empty: none.
    std::string fingerprint = "";
  };
  // ALREADY_EXISTS: the id or the request_id is taken.
  absl::StatusOr<SweepKey> Create(const v1::Sweep& sweep, const Request& request);
  // Replaces the record; the name stays.
  absl::Status Update(SweepKey key, const v1::Sweep& sweep);
  // The sweep and its log.
  absl::Status Delete(SweepKey key);
  // Appends one entry, with its sequence. `sweep`: its record is replaced in the same transaction; null: it stays.
  // ALREADY_EXISTS: the sequence is taken.
  absl::Status Append(SweepKey key, const v1::SweepEntry& entry, const v1::Sweep* sweep = nullptr);

  // NOT_FOUND. DATA_LOSS, with the name: its record is damaged.
  absl::StatusOr<StoredSweep> Get(const std::string& id);
  // Of one whose record may be damaged. NOT_FOUND.
  absl::StatusOr<SweepKey> KeyOf(const std::string& id);
  // "sweeps/{id}" and fingerprint of the call that had this request_id; nullopt: none of a sweep that there is.
  struct Made {
    std::string id;
    std::string fingerprint;
  };
  absl::StatusOr<std::optional<Made>> FindRequest(const std::string& request_id);
  // Newest first, with keys below `before` (0: all), until `add` returns false. Damaged ones are passed over and named.
  // Neither may call back into the store.
  absl::Status List(SweepKey before, const std::function<bool(StoredSweep)>& add,
                    const std::function<void(std::string name)>& damaged = nullptr);
  absl::StatusOr<int64_t> Count();
  // Entries behind `after`, at most `count` (0: all), in order. DATA_LOSS: one is damaged.
  absl::StatusOr<std::vector<v1::SweepEntry>> ReadEntries(SweepKey key, int64_t after = 0, int64_t count = 0);

 private:
  explicit SweepStore(Connection connection) : connection_(std::move(connection)) {}
  absl::Status Prepare();
  absl::Status Change(const std::function<absl::Status()>& change) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status PutRecord(SweepKey key, const v1::Sweep& sweep) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  static absl::StatusOr<StoredSweep> SweepOf(const Statement& row);

  absl::Mutex mu_;
  const Connection connection_ ABSL_PT_GUARDED_BY(mu_);
  Statement insert_, update_, remove_, remove_entries_, append_ ABSL_GUARDED_BY(mu_);
  Statement get_, key_of_, find_request_, list_, count_, entries_ ABSL_GUARDED_BY(mu_);
};

}  // namespace traind::server
