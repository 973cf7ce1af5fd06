// A real traind in a process of its own, for tests: started on a free port, killed, ended politely, started again on
// the same data folder. Its workers are its children. The process ends with the object, or with the test's own end.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "grpcpp/channel.h"

namespace traind::integration {

class ServerProcess {
 public:
  // `flags` go to every start, after --data-dir and the port.
  ServerProcess(std::filesystem::path folder, std::vector<std::string> flags);
  ~ServerProcess();

  // Returns once it answers; fails the test and ends the program when it does not within 20 s.
  void Start();
  // SIGKILL, and waits for the end.
  void Kill();
  // SIGTERM, and waits; the exit status as waitpid gives it, or -1 when it took longer than `patience`.
  int Terminate(absl::Duration patience);

  // A new connection to the server that runs now.
  std::shared_ptr<grpc::Channel> NewChannel() const;
  pid_t pid() const { return pid_; }
  // Its running workers.
  std::vector<pid_t> Workers() const;
  // How often a Kill or Terminate has begun.
  int endings() const { return endings_; }
  // What all servers of this folder printed.
  std::string Log() const;

 private:
  const std::filesystem::path folder_;
  const std::vector<std::string> flags_;
  std::atomic<pid_t> pid_{-1};
  std::atomic<int> port_{0};
  std::atomic<int> endings_{0};
};

// Whether a process still runs: neither gone nor a zombie.
bool IsRunning(pid_t pid);

}  // namespace traind::integration
