#include "server/config.h"

#include <sched.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "traind/version.h"

namespace traind::server {
namespace {

constexpr char kAbout[] =
    "traind hosts neural-network training jobs. Clients (trainctl, or any gRPC client) submit jobs and watch them;\n"
    "each job trains in a traind-worker process of its own. Everything is kept in the data folder: kill the server at\n"
    "any moment, start it again, and the jobs go on from their last checkpoints.\n\n"
    "  traind                                         listen on 127.0.0.1:50051, data in ./traind-data\n"
    "  traind --data-dir /var/lib/traind --threads 8  keep data elsewhere, leave some cores alone\n"
    "  traind --config /etc/traind.toml               lines like: data-dir = \"/var/lib/traind\"";

constexpr char kFooter[] =
    "Each option can be given in the environment: --data-dir as TRAIND_DATA_DIR. Flags win over the environment, the\n"
    "environment over the configuration file.\n"
    "Signals: SIGTERM or SIGINT checkpoints the running jobs and ends within 30 s; a second one ends at once.";

// The number in the first line of a file, if it is one.
std::optional<int64_t> ReadNumber(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  int64_t value = 0;
  if (!std::getline(file, line) || !absl::SimpleAtoi(line, &value)) return std::nullopt;
  return value;
}

// This process's folder below a cgroup hierarchy: the line "0::/path" for version 2, "5:memory:/path" for version 1.
std::string CgroupPath(const std::string& root, const std::string& controller) {
  std::ifstream file(root + "proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    if (line.substr(first + 1, second - first - 1) == controller) return line.substr(second + 1);
  }
  return "/";
}

// The arguments, last one first as CLI11 wants them, with the environment's for flags that are not among them. Left to
// CLI11 the configuration file would win over the environment.
std::vector<std::string> WithEnvironment(const CLI::App& app, int argc, const char* const* argv) {
  std::vector<std::string> arguments(argv + std::min(argc, 1), argv + argc);
  const auto given = [&](const std::string& flag) {
    return std::any_of(arguments.begin(), arguments.end(), [&](const std::string& argument) {
      return argument == flag || absl::StartsWith(argument, flag + "=");
    });
  };
  std::vector<std::string> added;
  for (const CLI::Option* option : app.get_options()) {
    const std::string flag = option->get_name();
    const char* value = option->get_envname().empty() ? nullptr : std::getenv(option->get_envname().c_str());
    if (value != nullptr && *value != '\0' && !given(flag)) added.push_back(absl::StrCat(flag, "=", value));
  }
  arguments.insert(arguments.end(), added.begin(), added.end());
  std::reverse(arguments.begin(), arguments.end());
  return arguments;
}

}  // namespace

ParsedConfig ParseConfig(int argc, const char* const* argv) {
  ParsedConfig parsed;
  Config& config = parsed.config;
  double heartbeat_seconds = absl::ToDoubleSeconds(config.heartbeat_timeout);
  CLI::App app(kAbout, "traind");
  app.footer(kFooter);
  app.set_version_flag("--version", absl::StrCat("traind ", kVersion));
  app.set_config("--config", "", "Configuration file (TOML or INI) with the names of the flags")
      ->envname("TRAIND_CONFIG");
  app.allow_config_extras(CLI::config_extras_mode::error);  // A misspelled name must not go unnoticed.
  const auto add = [&](const std::string& name, auto& value, const std::string& help) {
    std::string variable = absl::StrCat("TRAIND_", name);
    for (char& c : variable) c = c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    return app.add_option("--" + name, value, help)->envname(variable)->capture_default_str();
  };
  add("listen", config.listen, "Address and port; port 0 takes a free one, which is logged");
  add("port-file", config.port_file, "Write the port to this file once the server answers");
  app.add_flag("--insecure", config.insecure,
               "Allow an address that other machines can reach. There is no encryption and no login yet: whoever\n"
               "reaches the port can use the server")
      ->envname("TRAIND_INSECURE");
  add("data-dir", config.data_dir, "Folder of jobs, checkpoints and datasets; created if absent, one server each");
  add("dataset-root", config.dataset_roots, "Folder from which clients may import files; may be given again")
      ->expected(1)
      ->take_all();
  add("threads", config.threads, "Threads that all jobs and tasks share; 0: all cores");
  add("default-threads", config.default_threads, "Threads of a job that names none; 0: all that there are");
  add("memory-limit", config.memory_limit, "Memory that all jobs and tasks share, like 8GiB; 0: 80 % of what there is")
      ->transform(CLI::AsSizeValue(false));
  add("max-restarts", config.max_restarts, "How often a job's crashed worker is started again before the job fails");
  add("heartbeat-timeout", heartbeat_seconds, "Seconds without a sign of life after which a worker is killed")
      ->check(CLI::Range(1.0, 86400.0));
  add("max-evaluations", config.max_evaluations, "Probes, evaluations and predictions that run or wait at a time")
      ->check(CLI::Range(1, 64));
  add("worker", config.worker, "The worker program; default: traind-worker beside traind");
  add("log-level", config.log_level, "How much to log")->check(CLI::IsMember({"debug", "info", "warning", "error"}));
  add("log-format", config.log_format, "text, or json: one object in each line")
      ->check(CLI::IsMember({"text", "json"}));
  try {
    app.parse(WithEnvironment(app, argc, argv));
    config.heartbeat_timeout = absl::Seconds(heartbeat_seconds);
  } catch (const CLI::Error& error) {
    std::ostringstream out;
    std::ostringstream problem;
    parsed.exit = true;
    parsed.exit_code = app.exit(error, out, problem) == 0 ? 0 : 2;
    parsed.output = out.str() + problem.str();
  }
  return parsed;
}

bool IsLoopback(const std::string& address) {
  if (absl::StartsWith(address, "unix:")) return true;
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos) return false;
  const std::string host = address.substr(0, colon);
  if (host == "localhost" || host == "[::1]") return true;
  // Four numbers: "127.evil.example" is a name, not an address.
  int numbers[4] = {};
  char rest = 0;
  return std::sscanf(host.c_str(), "%3d.%3d.%3d.%3d%c", &numbers[0], &numbers[1], &numbers[2], &numbers[3], &rest) ==
             4 &&
         numbers[0] == 127;
}

absl::Status CompleteConfig(Config& config) {
  if (config.listen.find(':') == std::string::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat("--listen ", config.listen, ": wants an address and a port, like 127.0.0.1:50051"));
  }
  if (!config.insecure && !IsLoopback(config.listen)) {
    return absl::FailedPreconditionError(absl::StrCat(
        "--listen ", config.listen,
        " can be reached from other machines, and this version has neither encryption nor "
        "login: everybody who reaches the port could run jobs and read the results. Listen on 127.0.0.1 and use an SSH "
        "tunnel, or say --insecure if the network itself is trusted."));
  }
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  const int cores = sched_getaffinity(0, sizeof(cpus), &cpus) == 0 ? CPU_COUNT(&cpus) : 1;
  if (config.threads == 0) config.threads = static_cast<uint32_t>(std::max(1, cores));
  if (config.default_threads > config.threads) {
    return absl::InvalidArgumentError(
        absl::StrCat("--default-threads ", config.default_threads, ": there are ", config.threads, " (--threads)"));
  }
  if (config.memory_limit < 0) return absl::InvalidArgumentError("--memory-limit must not be negative");
  if (config.memory_limit == 0) config.memory_limit = AvailableMemory("/") / 10 * 8;
  return absl::OkStatus();
}

int64_t AvailableMemory(const std::string& root) {
  int64_t available = std::numeric_limits<int64_t>::max();
  std::ifstream meminfo(root + "proc/meminfo");
  std::string key;
  int64_t kib = 0;
  if (meminfo >> key >> kib && key == "MemTotal:") available = kib * 1024;
  const std::string limits[] = {
      root + "sys/fs/cgroup" + CgroupPath(root, "") + "/memory.max",
      root + "sys/fs/cgroup/memory.max",
      root + "sys/fs/cgroup/memory" + CgroupPath(root, "memory") + "/memory.limit_in_bytes",
      root + "sys/fs/cgroup/memory/memory.limit_in_bytes",
  };
  for (const std::string& path : limits) {
    if (const auto limit = ReadNumber(path); limit.has_value() && *limit > 0) available = std::min(available, *limit);
  }
  return available;
}

}  // namespace traind::server
