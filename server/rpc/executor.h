// A fixed pool of threads for the work of calls, so that gRPC's own threads never wait. The work may be of several
// kinds, each with an executor of its own on the same threads. Tasks of a kind start in order of arrival, and a kind
// always finds a thread that is free or has work of its own: however much of one kind there is, and however long it
// takes, no other waits for it. A task that throws is logged as an error, and the next one runs. Thread-safe.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace traind::server {

class SharedThreads {
 public:
  // `threads` is at least `kinds`.
  SharedThreads(int threads, int kinds);
  // Runs what is still queued.
  ~SharedThreads();

  void Submit(size_t kind, std::function<void()> task);

 private:
  struct Task {
    uint64_t arrival = 0;
    std::function<void()> run;
  };
  struct Kind {
    std::deque<Task> waiting;
    int running = 0;
  };

  void Run();
  // The kind whose turn it is; null: none may start now.
  Kind* Next() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool Empty() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  absl::Mutex mu_;
  std::vector<Kind> kinds_ ABSL_GUARDED_BY(mu_);
  int idle_ ABSL_GUARDED_BY(mu_);
  uint64_t arrivals_ ABSL_GUARDED_BY(mu_) = 0;
  bool closing_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<std::thread> threads_;
};

// The threads end with the last executor on them, whose destructor runs what is still queued.
class Executor {
 public:
  explicit Executor(int threads) : Executor(std::make_shared<SharedThreads>(threads, 1), 0) {}
  Executor(std::shared_ptr<SharedThreads> threads, size_t kind) : threads_(std::move(threads)), kind_(kind) {}

  void Submit(std::function<void()> task) { threads_->Submit(kind_, std::move(task)); }

 private:
  const std::shared_ptr<SharedThreads> threads_;
  const size_t kind_;
};

}  // namespace traind::server
