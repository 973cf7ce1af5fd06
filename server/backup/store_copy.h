// One moment of a store's file, taken while a server writes to it, and what it says of jobs and operations. Whatever
// the schema: nothing is brought to a newer one. Thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "traind/v1/job.pb.h"

namespace traind::server {

// Copies the store; a writer goes on meanwhile. `to` must not exist. Errors of SQLite.
absl::Status CopyStore(const std::string& from, const std::string& to);

struct StoreContent {
  struct JobRow {
    std::string id;
    v1::JobState state = v1::JOB_STATE_UNSPECIFIED;
    uint64_t checkpoint_step = 0;
  };
  int64_t schema = 0;
  std::string version;                  // "0.3.0"; empty: it does not say.
  std::vector<JobRow> jobs;             // By id.
  std::vector<std::string> operations;  // Ids, sorted.
};
// DATA_LOSS: no sound database. FAILED_PRECONDITION: no store of traind.
absl::StatusOr<StoreContent> ReadStoreCopy(const std::string& path);
// Reads all of it. DATA_LOSS: says what is damaged.
absl::Status CheckStoreCopy(const std::string& path);

}  // namespace traind::server
