// The operation store without a disk, for tests of what stands above it: OperationStore's contract for as long as the
// object lives.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "server/resources/names.h"
#include "server/store/operation_store.h"

namespace traind::server {

class MemoryOperationStore : public OperationStore {
 public:
  absl::StatusOr<OperationKey> CreateOperation(const internal::OperationRecord& record,
                                               const StoredRequest* request = nullptr) override {
    absl::MutexLock lock(&mu_);
    if (!failure_.ok()) return failure_;
    if (request != nullptr) {
      const absl::Time due = request->create_time - kRequestLifetime;
      std::erase_if(requests_, [due](const auto& entry) { return entry.second.delete_time <= due; });
    }
    if (Find(record.name()) != operations_.end() || (request != nullptr && requests_.count(request->request_id) > 0)) {
      return absl::AlreadyExistsError("the operation's id or its request_id is taken");
    }
    operations_[++last_key_] = record;
    if (request != nullptr) requests_[request->request_id] = *request;
    return last_key_;
  }
  absl::Status UpdateOperation(OperationKey key, const internal::OperationRecord& record) override {
    absl::MutexLock lock(&mu_);
    if (!failure_.ok()) return failure_;
    operations_[key] = record;
    return absl::OkStatus();
  }
  absl::Status DeleteOperation(OperationKey key, absl::Time now) override {
    absl::MutexLock lock(&mu_);
    for (auto& [id, request] : requests_) {
      if (request.resource == operations_[key].name()) request.delete_time = now;
    }
    operations_.erase(key);
    return absl::OkStatus();
  }
  absl::StatusOr<StoredOperation> GetOperation(const std::string& id) override {
    absl::MutexLock lock(&mu_);
    const auto found = Find("operations/" + id);
    if (found == operations_.end()) return NotFoundError("Operation", "operations/" + id);
    return StoredOperation{found->first, found->second};
  }
  absl::StatusOr<OperationKey> KeyOfOperation(const std::string& id) override {
    absl::MutexLock lock(&mu_);
    const auto found = Find("operations/" + id);
    if (found == operations_.end()) return NotFoundError("Operation", "operations/" + id);
    return found->first;
  }
  absl::StatusOr<std::optional<StoredRequest>> FindRequest(const std::string& request_id, absl::Time now) override {
    absl::MutexLock lock(&mu_);
    const auto found = requests_.find(request_id);
    if (found == requests_.end() || found->second.delete_time <= now - kRequestLifetime) return std::nullopt;
    return found->second;
  }
  absl::Status ListOperations(OperationKey before, const std::function<bool(StoredOperation)>& add,
                              const std::function<void(std::string name)>& = nullptr) override {
    absl::MutexLock lock(&mu_);
    for (auto at = operations_.rbegin(); at != operations_.rend(); ++at) {
      if ((before == 0 || at->first < before) && !add({at->first, at->second})) break;
    }
    return absl::OkStatus();
  }

  // From now on changes of records fail so; OK ends it.
  void Fail(absl::Status status) {
    absl::MutexLock lock(&mu_);
    failure_ = std::move(status);
  }

 private:
  using Operations = std::map<OperationKey, internal::OperationRecord>;

  Operations::const_iterator Find(const std::string& name) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return std::find_if(operations_.begin(), operations_.end(),
                        [&](const auto& entry) { return entry.second.name() == name; });
  }

  absl::Mutex mu_;
  absl::Status failure_ ABSL_GUARDED_BY(mu_);
  OperationKey last_key_ ABSL_GUARDED_BY(mu_) = 0;
  Operations operations_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, StoredRequest> requests_ ABSL_GUARDED_BY(mu_);
};

}  // namespace traind::server
