// Removes what the rules say, while the server serves: thing by thing, each as if its owner had asked for it, so that
// no call waits longer than for that. Every removal is in the log, in the audit log as the user "retention", and
// counted (traind_retention_removals_total). Thread-safe.
#pragma once

#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "core/base/ending.h"
#include "server/retention/plan.h"
#include "server/retention/policy.h"
#include "server/services/backend.h"
#include "server/services/inventory.h"
#include "server/store/upload_store.h"
#include "server/telemetry/audit_log.h"
#include "server/telemetry/metrics.h"

namespace traind::server {

class Retention {
 public:
  struct Options {
    RetentionPolicy policy;
    bool plan_only = false;                    // Say what would go, in the log, and remove nothing.
    absl::Duration interval = absl::Hours(1);  // Between two looks; the first is at the start.
    std::function<absl::Time()> now = absl::Now;
  };
  // What the pointers lead to outlives this. `audit` may be null.
  Retention(Options options, const Backend& backend, StorageCounter* counter, UploadStore* uploads, Metrics* metrics,
            AuditLog* audit);
  ~Retention();

  // Begins to look, on a thread of its own.
  void Start();
  // Returns when no more is removed.
  void Stop();

  const RetentionPolicy& policy() const { return options_.policy; }
  bool plan_only() const { return options_.plan_only; }
  // What of it cannot be found out until `deadline` stays.
  std::vector<Removal> Plan(const Inventory& inventory, absl::Time deadline = absl::InfiniteFuture()) const;
  // One look: plans, and removes, unless it is to plan only. What cannot be removed now is tried again the next time.
  absl::Status Sweep();

 private:
  void Loop();
  absl::Status Remove(const Holding& holding);
  void Tell(const Removal& removal, const absl::Status& status);

  const Options options_;
  const Backend backend_;
  StorageCounter* const counter_;
  UploadStore* const uploads_;
  Metrics* const metrics_;
  AuditLog* const audit_;
  core::Ending stop_;
  std::thread thread_;
};

// What GetStorage answers to the caller, with the plan if it is asked for.
absl::StatusOr<v1::Storage> DescribeStorage(StorageCounter& counter, const Retention& retention, const Caller& caller,
                                            bool plan);

}  // namespace traind::server
