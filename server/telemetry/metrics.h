// What the server counts while it works, for whoever runs it. The counters stand in the rooms' way and cost an atomic
// addition each. What can be read off the parts themselves (jobs by state, the disk) comes from sources, which are
// asked when somebody looks. Thread-safe.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/telemetry/histogram.h"

namespace traind::server {

class Samples;

// A sum that only grows.
class Total {
 public:
  void Add(double amount = 1) { value_.fetch_add(amount, std::memory_order_relaxed); }
  double value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_ = 0;
};

// The calls of one method.
class MethodMetrics {
 public:
  MethodMetrics();
  void Begin() { in_flight_.fetch_add(1, std::memory_order_relaxed); }
  void End() { in_flight_.fetch_sub(1, std::memory_order_relaxed); }
  // A call that ended; `code` is gRPC's.
  void Answered(int code, absl::Duration duration);

 private:
  friend class Metrics;
  static constexpr size_t kCodes = 17;
  std::atomic<int64_t> in_flight_ = 0;
  std::deque<Histogram> durations_;  // By code.
};

class Metrics {
 public:
  Metrics();
  ~Metrics();
  // Counts that nobody reads: for parts that stand alone, as in tests.
  static Metrics* Unread();

  // The store.
  Histogram store_transaction_seconds;  // A group of changes, from BEGIN to the end of COMMIT.
  Histogram store_commit_seconds;       // COMMIT alone: the write of the log and its fsync.
  Total store_changes;
  Total store_failures;  // Changes that were refused by the disk.
  // Events.
  std::array<Total, 11> events;  // By v1::EventKind, of which metrics.cc knows the number.
  std::atomic<int64_t> watchers = 0;
  // Jobs.
  Histogram job_queue_seconds;  // From QUEUED to RUNNING.
  Total training_steps, training_step_seconds, training_data_wait_seconds, training_examples;
  Total worker_starts, worker_restarts;
  // What rules of retention have removed, by v1::StorageKind.
  static constexpr size_t kStorageKinds = 10;
  std::array<Total, kStorageKinds> retention_removals, retention_bytes;
  // Webhooks: state changes that were taken, and those that nobody is told; attempts that failed.
  Total webhooks_delivered, webhooks_lost, webhook_failures;
  // Calls.
  Total audit_failures;  // Lines that the audit log does not have.

  // `name`: "traind.v1.TrainingService/GetJob". The object lives as long as this.
  MethodMetrics* OfMethod(absl::string_view name);

  // `source` adds what it knows each time somebody looks. It must not call this object.
  void AddSource(std::function<void(Samples&)> source);
  // The parts that the sources read go away. When it returns no source runs any more.
  void RemoveSources();

  // Everything, as Prometheus reads it.
  std::string Text() const;

 private:
  void AddStore(Samples& samples) const;
  void AddWork(Samples& samples) const;
  void AddCalls(Samples& samples) const;

  mutable absl::Mutex sources_mu_;
  std::vector<std::function<void(Samples&)>> sources_ ABSL_GUARDED_BY(sources_mu_);
  mutable absl::Mutex methods_mu_;
  std::map<std::string, std::unique_ptr<MethodMetrics>, std::less<>> methods_ ABSL_GUARDED_BY(methods_mu_);
};

}  // namespace traind::server
