#include "server/workers/spawn.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "core/base/engine_process.h"

namespace traind::server {
namespace {

absl::StatusOr<std::string> ProgramPath(const WorkerOptions& options) {
  if (!options.program.empty()) return options.program;
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return absl::ErrnoToStatus(error.value(), "/proc/self/exe");
  return (self.parent_path() / "traind-worker").string();
}

std::vector<char*> Pointers(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (std::string& string : strings) pointers.push_back(string.data());
  pointers.push_back(nullptr);
  return pointers;
}

// Gives the calling thread the CPUs and niceness of the worker, which a process that it starts inherits.
absl::Status TakeCpuShare(const WorkerOptions& options) {
  if (!options.cpus.empty()) {
    cpu_set_t set;
    CPU_ZERO(&set);
    for (int cpu : options.cpus) {
      if (cpu < 0 || cpu >= CPU_SETSIZE) return absl::InvalidArgumentError(absl::StrCat("there is no CPU ", cpu));
      CPU_SET(cpu, &set);
    }
    if (sched_setaffinity(0, sizeof(set), &set) != 0) return absl::ErrnoToStatus(errno, "sched_setaffinity");
  }
  if (options.nice > 0) {
    // Of this thread alone: on Linux niceness belongs to threads.
    const pid_t thread = gettid();
    const int nice = getpriority(PRIO_PROCESS, thread) + options.nice;
    if (setpriority(PRIO_PROCESS, thread, std::min(nice, 19)) != 0) return absl::ErrnoToStatus(errno, "setpriority");
  }
  return absl::OkStatus();
}

// posix_spawn with `socket` and `log` as the only open files. Descriptors are duplicated in an order that cannot
// overwrite one that is still needed: all of ours are above kWorkerSocketFd (see AboveWorkerFds).
absl::StatusOr<pid_t> Spawn(const std::string& program, int socket, int log, uint32_t threads) {
  posix_spawn_file_actions_t actions;
  if (int error = posix_spawn_file_actions_init(&actions)) return absl::ErrnoToStatus(error, "posix_spawn");
  absl::Cleanup destroy_actions = [&] { posix_spawn_file_actions_destroy(&actions); };
  posix_spawnattr_t attributes;
  if (int error = posix_spawnattr_init(&attributes)) return absl::ErrnoToStatus(error, "posix_spawn");
  absl::Cleanup destroy_attributes = [&] { posix_spawnattr_destroy(&attributes); };

  sigset_t none;
  sigset_t all;
  sigemptyset(&none);
  sigfillset(&all);
  const auto first_error = [](std::initializer_list<int> results) {
    return std::max(results);  // Each is 0 or a positive errno.
  };
  const int error = first_error(
      {posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0),
       posix_spawn_file_actions_adddup2(&actions, log, STDOUT_FILENO),
       posix_spawn_file_actions_adddup2(&actions, log, STDERR_FILENO),
       posix_spawn_file_actions_adddup2(&actions, socket, kWorkerSocketFd),
       posix_spawn_file_actions_addclosefrom_np(&actions, kWorkerSocketFd + 1),
       // Its own process group: a Ctrl-C in the server's terminal is the server's alone to handle.
       posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF),
       posix_spawnattr_setpgroup(&attributes, 0), posix_spawnattr_setsigmask(&attributes, &none),
       posix_spawnattr_setsigdefault(&attributes, &all)});
  if (error != 0) return absl::ErrnoToStatus(error, "posix_spawn");

  std::vector<std::string> arguments = {program};
  std::vector<std::string> environment = WorkerEnvironment(environ, threads);
  pid_t pid = -1;
  if (int failed = posix_spawn(&pid, program.c_str(), &actions, &attributes, Pointers(arguments).data(),
                               Pointers(environment).data())) {
    return absl::ErrnoToStatus(failed, absl::StrCat("cannot start ", program));
  }
  return pid;
}

// A duplicate that no dup2 onto 0..kWorkerSocketFd can hit.
absl::StatusOr<UniqueFd> AboveWorkerFds(const UniqueFd& fd) {
  const int copy = fcntl(fd.get(), F_DUPFD_CLOEXEC, kWorkerSocketFd + 1);
  if (copy < 0) return absl::ErrnoToStatus(errno, "fcntl");
  return UniqueFd(copy);
}

}  // namespace

std::vector<std::string> WorkerEnvironment(const char* const* environment, uint32_t threads) {
  // How a program is loaded and its memory managed, what oneDNN, OpenMP and sanitizers do.
  constexpr std::array<std::string_view, 12> kKept = {
      "LD_",   "GLIBC_TUNABLES=", "MALLOC_",       "DNNL_",         "ONEDNN_",        "OMP_",
      "GOMP_", "ASAN_OPTIONS=",   "LSAN_OPTIONS=", "TSAN_OPTIONS=", "UBSAN_OPTIONS=", "LLVM_PROFILE_FILE="};
  std::vector<std::string> result = core::EngineEnvironment(environment, threads);
  std::erase_if(result, [&](std::string_view entry) {
    return std::none_of(kKept.begin(), kKept.end(), [&](std::string_view prefix) { return entry.starts_with(prefix); });
  });
  return result;
}

absl::StatusOr<SpawnedWorker> SpawnWorker(const WorkerOptions& options, uint32_t threads) {
  auto program = ProgramPath(options);
  if (!program.ok()) return program.status();
  auto sockets = SocketPair();
  if (!sockets.ok()) return sockets.status();
  int pipe_fds[2];
  if (pipe2(pipe_fds, O_CLOEXEC) != 0) return absl::ErrnoToStatus(errno, "pipe");
  SpawnedWorker worker;
  worker.socket = std::move(sockets->first);
  worker.log = UniqueFd(pipe_fds[0]);
  const UniqueFd log_input(pipe_fds[1]);
  auto worker_socket = AboveWorkerFds(sockets->second);
  if (!worker_socket.ok()) return worker_socket.status();
  auto worker_log = AboveWorkerFds(log_input);
  if (!worker_log.ok()) return worker_log.status();
  for (int fd : {worker.socket.get(), worker.log.get()}) {
    if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0) return absl::ErrnoToStatus(errno, "fcntl");
  }

  absl::StatusOr<pid_t> pid = absl::InternalError("not started");
  const auto start = [&] {
    const absl::Status share = TakeCpuShare(options);
    pid = share.ok() ? Spawn(*program, worker_socket->get(), worker_log->get(), threads) : share;
  };
  if (options.cpus.empty() && options.nice == 0) {
    start();
  } else {
    // In a thread of its own, so that the caller keeps its share and the worker never runs without.
    try {
      std::thread(start).join();
    } catch (const std::system_error& error) {
      return absl::ResourceExhaustedError(absl::StrCat("cannot start a thread: ", error.what()));
    }
  }
  if (!pid.ok()) return pid.status();
  worker.pid = *pid;

  worker.pidfd = UniqueFd(static_cast<int>(syscall(SYS_pidfd_open, worker.pid, 0)));
  absl::Status status;
  if (worker.pidfd.get() < 0) {
    status = absl::ErrnoToStatus(errno, "pidfd_open");
  } else if (options.memory_limit_bytes > 0) {
    // In time: the worker allocates nothing of size before it has its task.
    const rlimit limit{.rlim_cur = static_cast<rlim_t>(options.memory_limit_bytes),
                       .rlim_max = static_cast<rlim_t>(options.memory_limit_bytes)};
    if (prlimit(worker.pid, RLIMIT_DATA, &limit, nullptr) != 0) status = absl::ErrnoToStatus(errno, "prlimit");
  }
  if (!status.ok()) {
    kill(worker.pid, SIGKILL);
    waitpid(worker.pid, nullptr, 0);
    return status;
  }
  return worker;
}

}  // namespace traind::server
