// traind: the training server. See --help.
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string>

#include "absl/time/clock.h"
#include "core/base/file.h"
#include "server/config.h"
#include "server/host_commands.h"
#include "server/server.h"
#include "server/telemetry/logging.h"
#include "server/workers/process_launcher.h"
#include "spdlog/spdlog.h"

namespace {

// The exit is promised within 20 s of the signal, so that Kubernetes' 30 s have room to spare; what workers do not take
// of them is for calls and files.
constexpr absl::Duration kWorkerPatience = absl::Seconds(16);
constexpr unsigned kLongestShutdownSeconds = 20;

int signal_pipe[2];
volatile sig_atomic_t signals = 0;

// The first signal wakes main; the second ends the process at once, which loses nothing that was acknowledged.
extern "C" void OnSignal(int number) {
  const int saved = errno;
  signals = signals + 1;
  if (signals > 1) _exit(128 + number);
  [[maybe_unused]] const ssize_t written = write(signal_pipe[1], "", 1);
  errno = saved;
}

// Wakes main, too.
extern "C" void OnDebugSignal(int) {
  const int saved = errno;
  [[maybe_unused]] const ssize_t written = write(signal_pipe[1], "d", 1);
  errno = saved;
}

// What the allocator may hold back for the next call, and between two looks at it.
constexpr size_t kIdleBytes = 4 << 20;
constexpr int kLookMilliseconds = 2000;

// Few pools of memory, and none of the large blocks in them: what a crowd of calls has left can be given back.
void BoundIdleMemory() {
  constexpr int kPools = 4;
  constexpr int kLargeBytes = 128 << 10;
  mallopt(M_ARENA_MAX, kPools);
  mallopt(M_MMAP_THRESHOLD, kLargeBytes);
  mallopt(M_TRIM_THRESHOLD, kLargeBytes);
}

// Each worker takes some files, each client one: the limit that a shell or a container gives is soon reached.
void RaiseFileLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) spdlog::warn("the limit of open files stays: {}", std::strerror(errno));
}

// Debug and back again.
void SwitchLogLevel(const std::string& configured) {
  const bool debug = traind::server::LogLevelName() == "debug";
  traind::server::ChangeLogLevel(debug && configured != "debug" ? configured : "debug", "SIGUSR1");
}

// Until the server is to end.
void WaitForSignal(const std::string& log_level) {
  pollfd signalled = {.fd = signal_pipe[0], .events = POLLIN, .revents = 0};
  while (true) {
    if (poll(&signalled, 1, kLookMilliseconds) > 0) {
      char kind = 0;
      if (read(signal_pipe[0], &kind, 1) != 1 || kind != 'd') return;
      SwitchLogLevel(log_level);
    }
    if (mallinfo2().fordblks > kIdleBytes) malloc_trim(0);
  }
}

}  // namespace

int main(int argc, char** argv) {
  using traind::server::Server;
  const absl::Time begin = absl::Now();
  BoundIdleMemory();
  if (const auto code = traind::server::RunHostCommand({argv + 1, argv + argc}, std::cout, std::cerr)) return *code;
  traind::server::ParsedConfig parsed = traind::server::ParseConfig(argc, argv);
  if (parsed.exit) {
    const bool put = std::fputs(parsed.output.c_str(), parsed.exit_code == 0 ? stdout : stderr) >= 0;
    if (parsed.exit_code == 0 && (!put || std::fflush(stdout) != 0)) {
      std::perror("traind: cannot write to the standard output");
      return 1;
    }
    return parsed.exit_code;
  }
  traind::server::Config& config = parsed.config;
  traind::server::SetUpLogging(config.log_level, config.log_format);
  if (absl::Status status = traind::server::CompleteConfig(config); !status.ok()) {
    std::fprintf(stderr, "traind: %s\n", std::string(status.message()).c_str());
    return 2;
  }

  if (pipe2(signal_pipe, O_CLOEXEC) != 0) {
    std::perror("traind: pipe");
    return 1;
  }
  struct sigaction action = {};
  action.sa_handler = OnSignal;
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
  action.sa_handler = OnDebugSignal;
  sigaction(SIGUSR1, &action, nullptr);
  signal(SIGPIPE, SIG_IGN);  // The reader of the log may go away.
  RaiseFileLimit();

  traind::server::WorkerOptions worker;
  worker.program = config.worker;
  worker.heartbeat_timeout = config.heartbeat_timeout;
  traind::server::ProcessLauncher launcher(worker);
  auto server = Server::Start(config, &launcher);
  if (!server.ok()) {
    spdlog::critical("cannot start: {}", std::string(server.status().message()));
    return 1;
  }
  spdlog::info("serving {} on port {} ({}), data in {}, {} threads and {} MiB for jobs, started in {} ms",
               config.tls.enabled() ? "TLS" : "without TLS", (*server)->port(), config.listen, config.data_dir,
               config.threads, config.memory_limit >> 20, absl::ToInt64Milliseconds(absl::Now() - begin));
  if (config.insecure && !config.tls.enabled()) {
    spdlog::warn("--insecure: what is sent to and from port {} can be read on the way", (*server)->port());
  }
  if ((*server)->metrics_port() != 0) {
    spdlog::info("metrics and probes on port {} ({})", (*server)->metrics_port(), config.metrics_listen);
  }
  if ((*server)->http_port() != 0) {
    spdlog::info("for browsers: {} on port {} ({})", config.tls.enabled() ? "https" : "http", (*server)->http_port(),
                 config.http_listen);
  }
  const bool given = config.dataset_roots != traind::server::Config().dataset_roots;
  for (const std::string& root : config.dataset_roots) {
    if (!given || traind::core::RealPath(root).ok()) continue;
    spdlog::warn("--dataset-root {} is not there: nothing can be imported from it", root);
  }
  if (!config.port_file.empty()) {
    const std::string line = std::to_string((*server)->port()) + "\n";
    constexpr mode_t kForAll = 0644;
    if (absl::Status status = traind::core::AtomicWrite(config.port_file, line, kForAll); !status.ok()) {
      spdlog::critical("{}", std::string(status.message()));
      return 1;
    }
  }

  WaitForSignal(config.log_level);
  spdlog::info("shutting down: the jobs write checkpoints; a second signal ends at once");
  // A call that does not end must not break the promise: what it has not finished leaves no trace.
  alarm(kLongestShutdownSeconds);
  (*server)->Shutdown(kWorkerPatience);
  spdlog::info("bye");
  return 0;
}
