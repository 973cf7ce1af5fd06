// One running traind-worker, supervised: started with its own CPU share and limits, fed one task, watched by heartbeat
// and exit status, its events handed over in order and acknowledged once they are durable. A worker that crashes,
// hangs or sends nonsense ends as a WorkerExit and never harms the server; a server that dies takes the worker along,
// because the worker ends when its socket closes. A worker is hung when it is silent while this process runs: after a
// time in which both were frozen (docker pause, a suspended machine) it gets a whole period anew.
//
// Ownership: the object owns the process, the socket and one thread, on which all callbacks run.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/workers/worker.h"
#include "traind/internal/worker.pb.h"

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

inline constexpr size_t kLongestLogLine = 2000;  // Bytes; the rest of a longer line is dropped.

class WorkerProcess final : public Worker {
 public:
  // Starts the process and sends it the task. NOT_FOUND: there is no such program. RESOURCE_EXHAUSTED: no resources for
  // it. No callback is called then.
  static absl::StatusOr<std::unique_ptr<WorkerProcess>> Start(const WorkerOptions& options, internal::Task task,
                                                              WorkerCallbacks callbacks);
  ~WorkerProcess() override;
  WorkerProcess(const WorkerProcess&) = delete;
  WorkerProcess& operator=(const WorkerProcess&) = delete;

  void Stop(internal::Stop::Reason reason) override;
  void Kill() override;  // With SIGKILL.
  pid_t pid() const;     // Of the process, while it has not been reaped.

 private:
  class Supervisor;
  explicit WorkerProcess(std::unique_ptr<Supervisor> supervisor);

  std::unique_ptr<Supervisor> supervisor_;
};

}  // namespace traind::server
