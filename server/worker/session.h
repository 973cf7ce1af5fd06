// The worker's side of the socket: takes the task, sends events, heartbeats and the result, and hears acks, the wish to
// stop, and the server's end.
//
// Two threads of its own, from Start on: one reads; one sends a heartbeat at most every `heartbeat_interval`, and only
// when the computation lives (see ProgressWatch), so that a step costs no system call and a hung computation falls
// silent. Emit, Heartbeat, Progress and Finish belong to one thread, the one that made the session; Flush to any.
#pragma once

#include <pthread.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "core/base/ending.h"
#include "core/train/train.h"
#include "server/wire/channel.h"
#include "traind/internal/worker.pb.h"

namespace traind::server {

// Decides whether a computation is alive. It is when it has reported something since it was asked last, when it waits
// for the server, or when its main thread has used the CPU: setting up and evaluating take long without a report, but
// never without computing. Computing alone counts for `longest_silence` after the last report; then it looks like an
// endless loop. Thread-compatible.
class ProgressWatch {
 public:
  struct Sample {
    uint64_t reports = 0;  // Calls of Emit, Flush and Heartbeat so far.
    absl::Duration cpu;    // Used by the main thread so far.
    bool waits_for_server = false;
  };

  ProgressWatch(absl::Duration longest_silence, absl::Time now)
      : longest_silence_(longest_silence), last_report_(now) {}
  bool IsAlive(const Sample& sample, absl::Time now);

 private:
  const absl::Duration longest_silence_;
  absl::Time last_report_;
  Sample last_;
};

struct WorkerSessionOptions {
  absl::Duration heartbeat_interval = absl::Milliseconds(500);
  absl::Duration longest_silence = absl::Minutes(30);
  absl::Duration progress_interval = absl::Milliseconds(250);  // Between two that are sent, at least.
  // Called once, on the reading thread, when the server is gone or speaks nonsense: nobody wants the result any more.
  std::function<void(const absl::Status&)> on_lost = nullptr;
};

class WorkerSession : public core::EventSink {
 public:
  WorkerSession(UniqueFd socket, WorkerSessionOptions options);
  ~WorkerSession() override;
  WorkerSession(const WorkerSession&) = delete;
  WorkerSession& operator=(const WorkerSession&) = delete;

  // Waits for the task, which comes first. UNAVAILABLE: the server has closed.
  absl::StatusOr<internal::Task> ReceiveTask();
  // Starts the two threads: what goes wrong from here on has to do with the task. Before anything else but Finish.
  void Start();
  // What the server wants of the task while it runs.
  const core::StopSignal& stop() const { return stop_; }
  // As if the server said REASON_PAUSE as soon as this step, or a later one, is done. Before the first Heartbeat.
  void PauseAt(uint64_t step) { pause_at_ = step; }

  void Emit(v1::Event event) override;
  absl::Status Flush() override;
  void Heartbeat(uint64_t step) override;
  void WaitsFor(absl::string_view what) override;
  // Says how far a task is that is no training; counts as a heartbeat. Cheap: some of the calls a second are sent.
  void Progress(int64_t done, int64_t total, absl::string_view unit);
  // Sends the result; nothing is sent after it.
  absl::Status Finish(internal::Result result);

 private:
  void Read();
  void Beat();
  // False: nobody hears it any more.
  bool SendHeartbeat();
  absl::Status Send(const internal::ToServer& message);
  void EndWith(const absl::Status& status);

  const WorkerSessionOptions options_;
  Channel channel_;
  const pthread_t main_thread_;
  core::StopSignal stop_{core::StopWish::kNone};
  uint64_t pause_at_ = 0;  // 0: nowhere. Of the main thread.
  std::atomic<uint64_t> step_{0};
  std::atomic<uint64_t> reports_{0};
  std::atomic<bool> waits_for_server_{false};
  std::atomic<uint64_t> emitted_{0};
  absl::Time last_progress_ = absl::InfinitePast();  // Of the main thread.

  absl::Mutex send_mutex_;  // Held while a message is written.
  bool finished_ ABSL_GUARDED_BY(send_mutex_) = false;

  absl::Mutex mutex_;
  uint64_t durable_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);  // Why events no longer reach the store.
  std::string waits_for_ ABSL_GUARDED_BY(mutex_);
  core::Ending ending_;

  std::thread reader_;
  std::thread beater_;
};

}  // namespace traind::server
