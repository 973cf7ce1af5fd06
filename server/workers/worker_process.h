// One running traind-worker, supervised: started with its own CPU share and limits, fed one task, watched by heartbeat
// and exit status, its events handed over in order and acknowledged once they are durable. A worker that crashes,
// hangs or sends nonsense ends as a WorkerExit and never harms the server; a server that dies takes the worker along,
// because the worker ends when its socket closes.
//
// Ownership: the object owns the process, the socket and one thread, on which all callbacks run. Thread-safe: Stop,
// Kill and pid may be called from any thread. The destructor kills the process if it still runs, waits for on_exit to
// return, and must therefore not be called from a callback.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "traind/internal/worker.pb.h"
#include "traind/v1/event.pb.h"

namespace traind::server {

struct WorkerOptions {
  std::string program = "";  // Path of traind-worker; empty: the one beside the running executable.
  // No sign of progress for this long means hung: the process is killed.
  absl::Duration heartbeat_timeout = absl::Seconds(60);
  // What it may take to end after its result, or after it has closed its socket, before it is killed.
  absl::Duration exit_grace = absl::Seconds(10);
  std::vector<int> cpus = {};      // CPUs it may run on; empty: those of the server.
  int64_t memory_limit_bytes = 0;  // Of private writable memory (RLIMIT_DATA); 0: none.
  int nice = 0;                    // Added to the server's niceness; 0 to 19.
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
};

inline constexpr int kLastLogLines = 50;
inline constexpr size_t kLongestLogLine = 2000;  // Bytes; the rest of a longer line is dropped.

class WorkerProcess {
 public:
  // All but on_exit may be empty functions for tasks that send no events.
  struct Callbacks {
    // Stores the events durably and in order; never empty. After OK they are acknowledged to the worker. An error ends
    // the worker with kRejected. All that had arrived is in one call, so that the store can commit it as a group.
    std::function<absl::Status(std::vector<v1::Event>)> on_events;
    std::function<void(uint64_t step)> on_heartbeat;
    std::function<void(std::string_view line)> on_log;  // A line of stdout or stderr, without its end.
    // Exactly once, last, after the process was reaped; also when the destructor ends it.
    std::function<void(const WorkerExit&)> on_exit;
  };

  // Starts the process and sends it the task. Fails when there is no such program (NOT_FOUND) or no resources for it
  // (RESOURCE_EXHAUSTED); no callback is called then.
  static absl::StatusOr<std::unique_ptr<WorkerProcess>> Start(const WorkerOptions& options, internal::Task task,
                                                              Callbacks callbacks);
  ~WorkerProcess();
  WorkerProcess(const WorkerProcess&) = delete;
  WorkerProcess& operator=(const WorkerProcess&) = delete;

  // Asks a training worker to finish its step, write a checkpoint and end; other tasks pay no heed. The exit is
  // kStopped, or kFinished when it was done just then. Returns at once; more than one call is one.
  void Stop(internal::Stop::Reason reason);
  // Ends it at once, with SIGKILL: the exit is kCrashed unless the result was already there.
  void Kill();
  pid_t pid() const;  // Of the process, while it has not been reaped.

 private:
  class Supervisor;
  explicit WorkerProcess(std::unique_ptr<Supervisor> supervisor);

  std::unique_ptr<Supervisor> supervisor_;
};

}  // namespace traind::server
