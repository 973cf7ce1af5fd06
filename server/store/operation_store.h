// The durable record of operations. An acknowledged change survives any crash; a failed one leaves no trace.
// Thread-safe. Every call may block on the disk. Errors of changes as JobStore's.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/resources/request_id.h"
#include "traind/internal/operation.pb.h"

namespace traind::server {

// The position of an operation in the order of arrival: positive, unique, never used again.
using OperationKey = int64_t;

struct StoredOperation {
  OperationKey key = 0;
  internal::OperationRecord record;
};

class OperationStore {
 public:
  virtual ~OperationStore() = default;

  // A new operation, and the request that makes it (null: it has no request_id). ALREADY_EXISTS: the id or the
  // request_id is taken.
  virtual absl::StatusOr<OperationKey> CreateOperation(const internal::OperationRecord& record,
                                                       const StoredRequest* request = nullptr) = 0;
  // Replaces the record; the name stays.
  virtual absl::Status UpdateOperation(OperationKey key, const internal::OperationRecord& record) = 0;
  // Its request is remembered as JobStore::EndRequests says.
  virtual absl::Status DeleteOperation(OperationKey key, absl::Time now) = 0;

  // NOT_FOUND. DATA_LOSS, with the name: its record is damaged.
  virtual absl::StatusOr<StoredOperation> GetOperation(const std::string& id) = 0;
  // Of an operation whose record may be damaged. NOT_FOUND.
  virtual absl::StatusOr<OperationKey> KeyOfOperation(const std::string& id) = 0;
  // The call that had the request_id, whatever it made, unless it is to be forgotten at `now`.
  virtual absl::StatusOr<std::optional<StoredRequest>> FindRequest(const std::string& request_id, absl::Time now) = 0;
  // Hands over the operations, newest first, with keys below `before` (0: all), until `add` returns false. Those whose
  // records are damaged are passed over and named to `damaged`. Neither may call back into the store.
  virtual absl::Status ListOperations(OperationKey before, const std::function<bool(StoredOperation)>& add,
                                      const std::function<void(std::string name)>& damaged = nullptr) = 0;
};

}  // namespace traind::server
