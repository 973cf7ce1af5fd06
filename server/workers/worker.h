// A worker and who starts it, as the rest of the server knows them: worker_process.h has the real ones, tests have
// fakes.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "traind/internal/worker.pb.h"
#include "traind/v1/event.pb.h"
#include "traind/v1/operation.pb.h"

namespace traind::server {

inline constexpr int kLastLogLines = 50;

// What a worker may take of the machine.
struct WorkerShare {
  int64_t memory_bytes = 0;  // What it was admitted with.
  bool background = false;   // It computes when nobody else does.
};

// How a worker ended.
struct WorkerExit {
  enum class Kind {
    kFinished,    // The task is done: `result`.
    kStopped,     // After Stop, with a checkpoint of result.step.
    kTaskFailed,  // The task itself failed: `status`, and trying again would fail again.
    kRejected,    // on_events refused an event: `status` is what it said. The process was killed.
    kCrashed,     // It ended without a result, or sent something that is no message.
    kHung,        // No heartbeat within the timeout. The process was killed.
  };
  Kind kind = Kind::kCrashed;
  absl::Status status;                      // OK for kFinished and kStopped; UNAVAILABLE for kCrashed and kHung.
  internal::Result result;                  // For kFinished, kStopped and kTaskFailed.
  std::vector<std::string> last_log_lines;  // What it wrote to stdout and stderr last, at most kLastLogLines.
  // How the process ended: "exit code 3", "killed by signal 9 (SIGKILL)"; or what it did that it had to be killed for.
  std::string description;
  // The machine was short of something, or the worker ended before it had its task: no fault of the task.
  bool of_machine = false;
};

// All but on_exit may be empty functions for tasks that send no events.
struct WorkerCallbacks {
  // Stores the events durably and in order; never empty. After OK they are acknowledged to the worker. An error ends
  // the worker with kRejected. All that had arrived is in one call, so that the store can commit it as a group.
  std::function<absl::Status(std::vector<v1::Event>)> on_events;
  std::function<void(uint64_t step)> on_heartbeat;
  // When it waits for something else than before; empty: for nothing any more.
  std::function<void(const std::string& what)> on_waits;
  std::function<void(const v1::OperationProgress&)> on_progress;
  std::function<void(std::string_view line)> on_log;  // A line of stdout or stderr, without its end.
  // Exactly once, last, when nothing of the worker runs any more; also when the worker's destructor ends it.
  std::function<void(const WorkerExit&)> on_exit;
};

// A task under way. Thread-safe. The destructor kills the worker if it still runs and waits for on_exit to return, so
// it must not run in a callback.
class Worker {
 public:
  virtual ~Worker() = default;
  // Asks a training worker to finish its step, write a checkpoint and end; other tasks pay no heed. The exit is
  // kStopped, or kFinished when it was done just then. REASON_FINISH asks for a good end: evaluated, and kFinished.
  // Returns at once. The first call counts, but any other reason still comes through after REASON_FINISH.
  virtual void Stop(internal::Stop::Reason reason) = 0;
  // Ends it at once: the exit is kCrashed unless the result was already there.
  virtual void Kill() = 0;
};

// Thread-safe.
class Launcher {
 public:
  virtual ~Launcher() = default;
  // Starts a worker on the task. NOT_FOUND: there is no such program. RESOURCE_EXHAUSTED: there is no room for it. No
  // callback is called then.
  virtual absl::StatusOr<std::unique_ptr<Worker>> Start(const WorkerShare& share, internal::Task task,
                                                        WorkerCallbacks callbacks) = 0;
};

}  // namespace traind::server
