#include "server/config.h"

#include <sched.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <filesystem>
#include <map>
#include <sstream>
#include <type_traits>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "server/machine.h"
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

// A configuration file has some lines; what is larger is none, and may have no end.
constexpr uintmax_t kLargestConfig = 1 << 20;
constexpr uint32_t kMostThreads = 4096;
constexpr uint32_t kMostRestarts = 1'000'000;

// What is wrong with a number, for flags, environment and configuration file alike; empty: nothing.
template <class Number>
std::string WrongNumber(const std::string& text, Number min, Number max) {
  bool good = false;
  if constexpr (std::is_integral_v<Number>) {
    int64_t value = 0;
    good = absl::SimpleAtoi(text, &value) && value >= int64_t{min} && value <= int64_t{max};
  } else {
    double value = 0;
    good = absl::SimpleAtod(text, &value) && value >= min && value <= max;  // Both are false for NaN.
  }
  if (good) return "";
  return absl::StrCat("wants a ", std::is_integral_v<Number> ? "whole " : "", "number from ", min, " to ", max,
                      ", not \"", text, "\"");
}

template <class Number>
CLI::Validator Between(Number min, Number max) {
  return CLI::Validator([=](std::string& text) { return WrongNumber(text, min, max); }, "");
}

// The arguments, last one first as CLI11 wants them, with the environment's for flags that are not among them. Left to
// CLI11 the configuration file would win over the environment.
// `from` gets the variable of each such flag.
std::vector<std::string> WithEnvironment(const CLI::App& app, int argc, const char* const* argv,
                                         std::map<std::string, std::string>& from) {
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
    if (value == nullptr || *value == '\0' || given(flag)) continue;
    added.push_back(absl::StrCat(flag, "=", value));
    from[flag] = option->get_envname();
  }
  arguments.insert(arguments.end(), added.begin(), added.end());
  std::reverse(arguments.begin(), arguments.end());
  return arguments;
}

// The file that --config names, checked before CLI11 reads it to its end.
std::string WrongConfigFile(const std::vector<std::string>& reversed) {
  for (size_t i = 0; i < reversed.size(); ++i) {
    const std::string& argument = reversed[i];
    std::string path;
    if (argument == "--config" && i > 0) path = reversed[i - 1];
    if (absl::StartsWith(argument, "--config=")) path = argument.substr(std::strlen("--config="));
    std::error_code error;
    if (path.empty() || !std::filesystem::exists(path, error)) continue;  // CLI11 says that.
    if (!std::filesystem::is_regular_file(path, error)) return absl::StrCat("--config: ", path, " is no regular file");
    if (std::filesystem::file_size(path, error) > kLargestConfig) {
      return absl::StrCat("--config: ", path, " is larger than a configuration file may be (1 MiB)");
    }
  }
  return "";
}

// An error of CLI11 with the environment variable in place of the flag that nobody gave.
std::string NameSource(const std::string& problem, const std::map<std::string, std::string>& from) {
  for (const auto& [flag, variable] : from) {
    if (absl::StartsWith(problem, flag + ":")) return variable + problem.substr(flag.size());
  }
  return problem;
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
  add("threads", config.threads,
      "Threads that all jobs and tasks share; 0: all cores, or what the container's CPU quota allows")
      ->check(Between(0u, kMostThreads));
  add("default-threads", config.default_threads, "Threads of a job that names none; 0: all that there are")
      ->check(Between(0u, kMostThreads));
  add("memory-limit", config.memory_limit, "Memory that all jobs and tasks share, like 8GiB; 0: 80 % of what there is")
      ->transform(CLI::AsSizeValue(false));
  add("max-restarts", config.max_restarts,
      "How often a crashed worker is started again without getting its job any further\n"
      "before the job fails")
      ->check(Between(0u, kMostRestarts));
  add("heartbeat-timeout", heartbeat_seconds, "Seconds without a sign of life after which a worker is killed")
      ->check(Between(1.0, 86400.0));
  add("max-evaluations", config.max_evaluations, "Probes, evaluations and predictions that run or wait at a time")
      ->check(Between(1, 64));
  add("worker", config.worker, "The worker program; default: traind-worker beside traind");
  add("log-level", config.log_level, "How much to log")->check(CLI::IsMember({"debug", "info", "warning", "error"}));
  add("log-format", config.log_format, "text, or json: one object in each line")
      ->check(CLI::IsMember({"text", "json"}));
  const auto fail = [&](const std::string& problem) {
    parsed.exit = true;
    parsed.exit_code = 2;
    parsed.output = absl::StrCat("traind: ", problem, "\nRun with --help for more information.\n");
  };
  std::map<std::string, std::string> from;
  try {
    std::vector<std::string> arguments = WithEnvironment(app, argc, argv, from);
    const std::string wrong = WrongConfigFile(arguments);
    if (!wrong.empty()) {
      fail(wrong);
      return parsed;
    }
    app.parse(std::move(arguments));
    config.heartbeat_timeout = absl::Seconds(heartbeat_seconds);
  } catch (const CLI::Success& success) {  // --help, --version.
    std::ostringstream out;
    app.exit(success, out, out);
    parsed.exit = true;
    parsed.output = out.str();
  } catch (const std::exception& error) {
    fail(NameSource(error.what(), from));
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
  if (config.threads == 0) config.threads = AvailableThreads("/", static_cast<uint32_t>(std::max(1, cores)));
  if (config.default_threads > config.threads) {
    return absl::InvalidArgumentError(
        absl::StrCat("--default-threads ", config.default_threads, ": there are ", config.threads, " (--threads)"));
  }
  if (config.memory_limit < 0) return absl::InvalidArgumentError("--memory-limit must not be negative");
  if (config.memory_limit == 0) config.memory_limit = AvailableMemory("/") / 10 * 8;
  return absl::OkStatus();
}

}  // namespace traind::server
