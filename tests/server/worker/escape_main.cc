// Tries to get out of a worker's sandbox, in every way of escapes/: each in a process of its own that gets a task as a
// worker does and closes itself off as a worker does. Each must be refused; and, so that a refusal means something,
// each must succeed without the sandbox. What an attempt reports is not all that counts: the server's files and the
// process that stands for the server must be as they were.
//
//   traind-escapes            fails when one gets out, or one is refused without a sandbox
//   traind-escapes --layers   a table: which layer alone stops which, and what an old kernel's Landlock leaves to
//   seccomp
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_join.h"
#include "server/sandbox/sandbox.h"
#include "server/wire/channel.h"
#include "server/worker/confine.h"
#include "server/workers/spawn.h"
#include "tests/server/worker/escapes/escape.h"
#include "tests/server/worker/escapes/files.h"
#include "tests/server/worker/escapes/kernel.h"
#include "tests/server/worker/escapes/processes.h"
#include "tests/support/bytes.h"
#include "tests/support/temporary_folder.h"
#include "traind/internal/worker.pb.h"

namespace traind::server {
namespace {

namespace fs = std::filesystem;

// How an attempt is closed off.
enum class Mode { kFree, kWhole, kOldKernel, kLandlockAlone, kSeccompAlone };

const char* NameOf(Mode mode) {
  constexpr std::array kNames = {"free", "sandbox", "Landlock ABI 1", "no seccomp", "no Landlock"};
  return kNames[static_cast<size_t>(mode)];
}

std::vector<Escape> AllEscapes() {
  std::vector<Escape> all = FileEscapes();
  for (const auto* more : {&ProcessEscapes(), &KernelEscapes()}) all.insert(all.end(), more->begin(), more->end());
  return all;
}

Stage StageIn(const std::string& root) {
  Stage stage;
  stage.root = root;
  stage.beside = root + "/data/jobs/own";
  stage.own = stage.beside + "/checkpoints";
  stage.others = root + "/data/jobs/other/checkpoints";
  stage.secret = stage.others + "/weights";
  stage.database = root + "/data/traind.db";
  stage.dataset = root + "/data/datasets/d";
  stage.dataset_file = stage.dataset + "/train.npy";
  return stage;
}

void Fill(const Stage& stage) {
  fs::remove_all(stage.root + "/data");
  for (const std::string& folder : {stage.own, stage.others, stage.dataset}) fs::create_directories(folder);
  for (const std::string& file : {stage.own + "/mine", stage.secret, stage.database, stage.dataset_file}) {
    std::ofstream(file) << "content of " << fs::path(file).filename();
  }
  fs::create_symlink(stage.database, stage.own + "/link");
}

// Everything that the attempt must leave alone: modes, times and contents, by path.
std::map<std::string, std::string> Untouchable(const Stage& stage) {
  std::map<std::string, std::string> found;
  for (const auto& entry : fs::recursive_directory_iterator(stage.root)) {
    if (entry.path().string().starts_with(stage.own + "/")) continue;
    struct stat info;
    if (lstat(entry.path().c_str(), &info) != 0) continue;
    std::string what = std::to_string(info.st_mode) + " " + std::to_string(info.st_uid);
    if (entry.is_regular_file()) {
      what += " " + std::to_string(info.st_nlink) + " " + std::to_string(info.st_mtim.tv_sec) + "." +
              std::to_string(info.st_mtim.tv_nsec) + ReadBytes(entry.path().string());
    }
    found[entry.path().string()] = what;
  }
  return found;
}

int victim_word = 0;  // At the same place in every process that was forked from this one.

// A process that does nothing, which stands for the server.
class Victim {
 public:
  Victim() {
    const pid_t parent = getpid();
    pid_ = fork();
    if (pid_ != 0) return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (getppid() == parent) pause();
    _exit(0);
  }
  ~Victim() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  pid_t pid() const { return pid_; }
  bool IsWell() const {
    rlimit files{};
    return waitpid(pid_, nullptr, WNOHANG) == 0 && prlimit(pid_, RLIMIT_NOFILE, nullptr, &files) == 0 &&
           files.rlim_cur > 3 && getpriority(PRIO_PROCESS, static_cast<id_t>(pid_)) == getpriority(PRIO_PROCESS, 0);
  }

 private:
  pid_t pid_ = -1;
};

// --- In the process that makes the attempt.

absl::Status CloseOff(Mode mode, const internal::Task& task) {
  if (mode == Mode::kFree) return absl::OkStatus();
  if (mode == Mode::kWhole) return Confine(task);
  auto files = FilesOf(task);
  if (!files.ok()) return files.status();
  SandboxRules rules;
  rules.files = *std::move(files);
  rules.socket = kWorkerSocketFd;
  rules.limits = {
      .address_space = int64_t{8} << 30, .file_size = int64_t{1} << 30, .open_files = 4096, .user_threads = 0};
  if (mode == Mode::kOldKernel) rules.newest_landlock_abi = 1;
  if (mode == Mode::kSeccompAlone) rules.newest_landlock_abi = 0;
  rules.restrict_system_calls = mode != Mode::kLandlockAlone;
  return EnterSandbox(rules);
}

// Prints the errno of the refusal, or 0.
int Attempt() {
  Channel channel((UniqueFd(kWorkerSocketFd)));
  internal::ToWorker first;
  const auto received = channel.Receive(first);
  if (!received.ok() || !*received) return 90;
  const internal::Task& task = first.task();
  Stage stage = StageIn(task.train().forked_from());
  size_t escape_index = 0;
  int mode = 0;
  std::istringstream(task.train().job()) >> escape_index >> mode >> stage.victim >> stage.word >> stage.port;
  const Escape escape = AllEscapes().at(escape_index);
  if (absl::Status status = CloseOff(static_cast<Mode>(mode), task); !status.ok()) {
    std::printf("%s\n", status.ToString().c_str());
    return 91;
  }
  std::printf("%d\n", escape.attempt(stage));
  std::fflush(stdout);
  _exit(0);
}

// --- In the process that starts them.

struct Outcome {
  bool out = false;
  std::string how;  // For people.
};

internal::ToWorker TaskOf(const Stage& stage, size_t escape, Mode mode) {
  internal::ToWorker message;
  internal::Task& task = *message.mutable_task();
  task.set_dataset_dir(stage.dataset);
  task.set_threads(1);
  task.mutable_train()->set_checkpoint_dir(stage.own);
  // Attempt reads these.
  task.mutable_train()->set_forked_from(stage.root);
  task.mutable_train()->set_job(
      absl::StrJoin({static_cast<uint64_t>(escape), static_cast<uint64_t>(mode), static_cast<uint64_t>(stage.victim),
                     static_cast<uint64_t>(stage.word), static_cast<uint64_t>(stage.port)},
                    " "));
  return message;
}

struct Started {
  pid_t pid = -1;
  UniqueFd socket, log;
};

// As anything is started: with all that this process has.
Started StartFreely() {
  auto sockets = SocketPair();
  int log[2];
  if (!sockets.ok() || pipe2(log, O_CLOEXEC) != 0) std::abort();
  Started started;
  started.socket = std::move(sockets->first);
  started.log = UniqueFd(log[0]);
  started.pid = fork();
  if (started.pid == 0) {
    dup2(log[1], STDOUT_FILENO);
    dup2(sockets->second.get(), kWorkerSocketFd);
    execl("/proc/self/exe", "traind-escapes", nullptr);
    _exit(127);
  }
  close(log[1]);
  return started;
}

Started StartAsWorker() {
  WorkerOptions options;
  options.program = fs::read_symlink("/proc/self/exe").string();
  options.memory_limit_bytes = int64_t{1} << 30;
  auto worker = SpawnWorker(options, 1);
  if (!worker.ok()) {
    std::fprintf(stderr, "%s\n", worker.status().ToString().c_str());
    std::exit(2);
  }
  Started started;
  started.pid = worker->pid;
  started.socket = std::move(worker->socket);
  started.log = std::move(worker->log);
  return started;
}

std::string ReadAll(int fd) {
  std::string all;
  char bytes[512];
  for (;;) {
    pollfd ready{.fd = fd, .events = POLLIN, .revents = 0};
    poll(&ready, 1, -1);
    const ssize_t n = read(fd, bytes, sizeof(bytes));
    if (n <= 0) return all;
    all.append(bytes, static_cast<size_t>(n));
  }
}

// What refuses, by the errno that it gives. Any other means that the attempt did not get as far as that.
bool IsRefusal(int error) {
  constexpr std::array kRefusals = {EACCES, EPERM, ENOSYS, EXDEV, EFBIG, EMFILE, ENOMEM, EBADF};
  return std::find(kRefusals.begin(), kRefusals.end(), error) != kRefusals.end();
}

Outcome OutcomeOf(const std::string& printed, int status) {
  if (WIFSIGNALED(status)) {
    if (WCOREDUMP(status)) return {true, "left a core"};
    const bool refused = WTERMSIG(status) == SIGSYS || WTERMSIG(status) == SIGABRT;
    return {!refused, strsignal(WTERMSIG(status))};
  }
  if (WEXITSTATUS(status) != 0 || printed.empty()) return {true, "broke: " + printed};
  const int error = std::atoi(printed.c_str());
  if (error == 0) return {true, "out"};
  const char* const name = strerrorname_np(error);
  return {!IsRefusal(error), name == nullptr ? printed : name};
}

Outcome Run(const Stage& prepared, size_t escape, Mode mode) {
  Fill(prepared);
  const Victim victim;
  Stage stage = prepared;
  stage.victim = victim.pid();
  stage.word = reinterpret_cast<uintptr_t>(&victim_word);
  const auto before = Untouchable(stage);
  Started started = mode == Mode::kFree ? StartFreely() : StartAsWorker();
  const auto frame = EncodeFrame(TaskOf(stage, escape, mode));
  if (!frame.ok() || send(started.socket.get(), frame->data(), frame->size(), MSG_NOSIGNAL) < 0) std::abort();
  const std::string printed = ReadAll(started.log.get());
  int status = 0;
  waitpid(started.pid, &status, 0);
  Outcome outcome = OutcomeOf(printed, status);
  const bool harm = Untouchable(stage) != before || !victim.IsWell();
  if (harm && !outcome.out) outcome = {true, "said " + outcome.how + ", and did harm"};
  return outcome;
}

// Somebody listens there until the process ends.
int ListenOnLoopback() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), size) != 0 || listen(fd, 64) != 0 ||
      getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    std::perror("the loopback");
    std::exit(2);
  }
  return ntohs(address.sin_port);
}

int Drive(bool layers) {
  const TemporaryFolder folder;
  Stage stage = StageIn(folder.path());
  stage.port = ListenOnLoopback();
  setenv(kSecretVariable, "secret", 1);
  Fill(stage);
  if (dup2(open(stage.secret.c_str(), O_RDONLY | O_CLOEXEC), kInheritedFd) < 0) std::abort();
  // A new file each time, of which the descriptor holds the first.
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);

  std::vector<Mode> modes = {Mode::kFree, Mode::kWhole, Mode::kOldKernel};
  if (layers) modes.insert(modes.end(), {Mode::kLandlockAlone, Mode::kSeccompAlone});
  const auto all = AllEscapes();
  int faults = 0;
  int untried = 0;
  int old = 0;
  std::printf("%-40s", "");
  for (Mode mode : modes) std::printf(" %-15s", NameOf(mode));
  std::printf("\n");
  for (size_t i = 0; i < all.size(); ++i) {
    std::printf("%-40s", all[i].name);
    std::string fault;
    for (Mode mode : modes) {
      const Outcome outcome = Run(stage, i, mode);
      std::printf(" %-15s", outcome.how.c_str());
      const bool alone = mode == Mode::kLandlockAlone || mode == Mode::kSeccompAlone;
      if (mode == Mode::kFree && !outcome.out && all[i].not_everywhere) {
        ++untried;
      } else if (mode == Mode::kOldKernel && outcome.out && all[i].on_old_kernels) {
        ++old;
      } else if (!alone && outcome.out != (mode == Mode::kFree)) {
        fault += std::string(" <- ") + NameOf(mode);
      }
    }
    std::printf("%s\n", fault.c_str());
    std::fflush(stdout);
    faults += !fault.empty();
  }
  std::printf("%zu escapes, %d faults\n", all.size(), faults);
  if (old > 0) std::printf("%d of them get out of Landlock before version 3, as SECURITY.md says\n", old);
  if (untried > 0)
    std::printf("%d of them this machine refuses without the sandbox, too, or wants root for\n", untried);
  return faults == 0 ? 0 : 1;
}

}  // namespace
}  // namespace traind::server

int main(int argc, char** argv) {
  struct stat info;
  if (argc == 1 && fstat(traind::server::kWorkerSocketFd, &info) == 0 && S_ISSOCK(info.st_mode)) {
    return traind::server::Attempt();
  }
  const bool layers = argc == 2 && std::string_view(argv[1]) == "--layers";
  if (argc > 1 && !layers) {
    std::fprintf(stderr, "traind-escapes [--layers]\n");
    return 2;
  }
  return traind::server::Drive(layers);
}
