#include "tests/integration/server_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <sstream>
#include <utility>

#include "absl/time/clock.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/support/channel_arguments.h"
#include "tests/paths.h"
#include "tests/support/bytes.h"

namespace traind::integration {
namespace {

constexpr absl::Duration kPoll = absl::Milliseconds(2);

struct ProcessState {
  char state = '?';
  pid_t parent = -1;
  std::string name;
};

// From /proc/<pid>/stat: "pid (name) state parent ...".
std::optional<ProcessState> StateOf(pid_t pid) {
  const std::string stat = ReadBytes("/proc/" + std::to_string(pid) + "/stat");
  const size_t begin = stat.find('(');
  const size_t end = stat.rfind(") ");
  if (begin == std::string::npos || end == std::string::npos) return std::nullopt;
  ProcessState process;
  process.name = stat.substr(begin + 1, end - begin - 1);
  std::istringstream rest(stat.substr(end + 2));
  rest >> process.state >> process.parent;
  return process;
}

}  // namespace

bool IsRunning(pid_t pid) {
  const auto process = StateOf(pid);
  return process.has_value() && process->state != 'Z' && process->state != 'X';
}

ServerProcess::ServerProcess(std::filesystem::path folder, std::vector<std::string> flags)
    : folder_(std::move(folder)), flags_(std::move(flags)) {}

ServerProcess::~ServerProcess() {
  if (pid_ > 0) Kill();
}

void ServerProcess::Start() {
  const std::filesystem::path port_file = folder_ / "port";
  std::filesystem::remove(port_file);
  const std::string program = ProgramPath("traind");
  std::vector<std::string> arguments = {program,       "--listen", "127.0.0.1:0", "--data-dir", folder_ / "data",
                                        "--port-file", port_file,  "--log-level", "debug"};
  arguments.insert(arguments.end(), flags_.begin(), flags_.end());
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  const int log = open((folder_ / "log").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child == 0) {
    // A test that crashes leaves no server behind.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(127);
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    execv(program.c_str(), pointers.data());
    _exit(127);
  }
  close(log);
  pid_ = child;
  const absl::Time deadline = absl::Now() + absl::Seconds(20);
  for (;; absl::SleepFor(kPoll)) {
    const std::string text = ReadBytes(port_file);
    int port = 0;
    if (text.ends_with('\n') && std::from_chars(text.data(), text.data() + text.size(), port).ec == std::errc()) {
      port_ = port;
      return;
    }
    if (waitpid(child, nullptr, WNOHANG) == child || absl::Now() > deadline) {
      std::fprintf(stderr, "%s did not start:\n%s\n", program.c_str(), Log().c_str());
      std::abort();
    }
  }
}

void ServerProcess::Kill() {
  ++endings_;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

int ServerProcess::Terminate(absl::Duration patience) {
  ++endings_;
  kill(pid_, SIGTERM);
  for (const absl::Time deadline = absl::Now() + patience; absl::Now() < deadline; absl::SleepFor(kPoll)) {
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) != pid_) continue;
    pid_ = -1;
    return status;
  }
  return -1;
}

std::shared_ptr<grpc::Channel> ServerProcess::NewChannel() const {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetMaxReceiveMessageSize(64 << 20);
  return grpc::CreateCustomChannel("127.0.0.1:" + std::to_string(port_), grpc::InsecureChannelCredentials(), arguments);
}

std::vector<pid_t> ServerProcess::Workers() const {
  std::vector<pid_t> workers;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    pid_t pid = 0;
    if (std::from_chars(name.data(), name.data() + name.size(), pid).ec != std::errc()) continue;
    const auto process = StateOf(pid);
    if (process.has_value() && process->parent == pid_ && process->name == "traind-worker" && process->state != 'Z') {
      workers.push_back(pid);
    }
  }
  return workers;
}

std::string ServerProcess::Log() const { return ReadBytes(folder_ / "log"); }

}  // namespace traind::integration
