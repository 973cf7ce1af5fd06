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
#include "server/resources/quota.h"
#include "server/retention/policy.h"
#include "server/rpc/proxies.h"
#include "traind/version.h"

namespace traind::server {
namespace {

constexpr char kAbout[] =
    "traind hosts neural-network training jobs. Clients (trainctl, or any gRPC client) submit jobs and watch them;\n"
    "each job trains in a traind-worker process of its own. Everything is kept in the data folder: kill the server at\n"
    "any moment, start it again, and the jobs go on from their last checkpoints.\n\n"
    "  traind                                         listen on 127.0.0.1:50051, data in ./traind-data\n"
    "  traind --data-dir /var/lib/traind --threads 8  keep data elsewhere, leave some cores alone\n"
    "  traind --config /etc/traind.toml               lines like: data-dir = \"/var/lib/traind\"\n"
    "  traind dev-cert certs                          make certificates for trying TLS out\n"
    "  traind token create ada --role admin           make the first user: from then on callers need a token\n"
    "  traind user list                               who is let in\n"
    "  traind backup /backup/monday                   copy everything while the server runs; restore makes it a data\n"
    "                                                 folder again; each of these commands has --help";

constexpr char kFooter[] =
    "Each option can be given in the environment: --data-dir as TRAIND_DATA_DIR. Flags win over the environment, the\n"
    "environment over the configuration file.\n"
    "Signals: SIGTERM or SIGINT checkpoints the running jobs and ends within 20 s; a second one ends at once. SIGUSR1\n"
    "logs at the level debug, and the next one as before (so does `trainctl server log-level`).";

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

// FAILED_PRECONDITION: strangers could read along.
absl::Status CheckReach(const Config& config, const char* flag, const std::string& address) {
  if (config.insecure || config.tls.enabled() || IsLoopback(address)) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      flag, " ", address,
      " can be reached from other machines, and without TLS everybody on the way could read along: give --tls-cert and "
      "--tls-key (`traind dev-cert DIR` makes some to try out), listen on 127.0.0.1 and use an SSH tunnel, or say "
      "--insecure if the network itself is trusted."));
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
  add("tls-cert", config.tls.cert,
      "Speak TLS with this certificate: a PEM file, its issuers' certificates after it. It is read\n"
      "again when it changes. `traind dev-cert DIR` makes one to try out");
  add("tls-key", config.tls.key, "The certificate's private key: a PEM file that other users cannot read");
  add("tls-client-ca", config.tls.client_ca,
      "Let in only clients with a certificate that one of these authorities signed");
  app.add_flag("--insecure", config.insecure,
               "Allow an address that other machines can reach without TLS, or without users: whoever reaches\n"
               "the port can use the server, and without TLS everybody on the way can read along")
      ->envname("TRAIND_INSECURE");
  add("metrics-listen", config.metrics_listen,
      "Address and port of HTTP for /metrics (Prometheus), /healthz and /readyz, like 127.0.0.1:9464; default: none");
  app.add_flag("--metrics-insecure", config.metrics_insecure,
               "Allow an address of --metrics-listen that other machines can reach: whoever reaches it can read\n"
               "what the server does and how its jobs are called")
      ->envname("TRAIND_METRICS_INSECURE");
  add("http-listen", config.http_listen,
      "Address and port of HTTP for browsers: the page, and the API as gRPC-Web, like 127.0.0.1:8080. TLS, users and\n"
      "--insecure hold for it as for --listen; default: none");
  add("http-name", config.http_names,
      "Name by which browsers reach --http-listen, besides localhost, addresses and the names of the certificate;\n"
      "requests under other names are refused. May be given again")
      ->expected(1)
      ->take_all();
  add("audit-log", config.audit_log,
      "File for who did what, from where and how it ended: a JSON object in each line, at most 8 files of 64 MiB;\n"
      "default: none");
  add("trusted-proxy", config.trusted_proxies,
      "Address or network (10.0.0.7, 172.16.0.0/12) of proxies like HAProxy; may be given again. What they say in\n"
      "x-forwarded-for stands in the log and the audit log as the address of the client; default: nobody's word")
      ->expected(1)
      ->take_all();
  add("tensorboard-dir", config.tensorboard_dir,
      "Folder in which TensorBoard's event files of all jobs are written as they train; default: none. Those of\n"
      "deleted jobs stay; whoever reads the folder sees the jobs of all users");
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
  add("max-connections", config.limits.max_connections, "Connections that are open at a time; more are closed at once")
      ->check(Between(1, 1'000'000));
  add("max-watchers", config.limits.max_watchers, "WatchJob streams that are open at a time; more are refused")
      ->check(Between(1, 1'000'000));
  add("quota", config.quotas,
      "What each user may have, like queued_jobs=20,threads=4,dataset_bytes=50GiB; may be given again. Users can\n"
      "have a quota of their own (traind user set). Names: queued_jobs, running_jobs, threads, memory_bytes,\n"
      "dataset_bytes, model_bytes, upload_bytes, event_bytes, streams, requests_per_second; default: no limits")
      ->expected(1)
      ->take_all();
  add("worker", config.worker, "The worker program; default: traind-worker beside traind");
  app.add_flag(
         "--require-sandbox", config.require_sandbox,
         "Refuse to start where the kernel lacks a layer of the workers' sandbox (Landlock, seccomp). Without it\n"
         "the log says which one is missing, and what workers can do then")
      ->envname("TRAIND_REQUIRE_SANDBOX");
  add("retain", config.retain,
      "How much to keep of what, the newest; may be given again. KIND=LIMITS: jobs that have ended (or succeeded,\n"
      "failed, cancelled), events, checkpoints of jobs that have ended, models, uploads, trash; an age (30d, 12h),\n"
      "a number, bytes (50GiB), or forever:\n"
      "  --retain failed=30d --retain succeeded=365d,1000 --retain checkpoints=14d --retain models=50GiB\n"
      "What is pinned stays (trainctl pin), and what a job was begun with, and of each job the newest and the best\n"
      "checkpoint. Of events only reports of statistics go. Several rules may stand in one text, with blanks between.\n"
      "Default: uploads=7d, trash=7d, all else forever")
      ->default_str("")
      ->expected(1)
      ->take_all();
  app.add_flag("--retain-plan", config.retain_plan,
               "Remove nothing by the rules of --retain: the log and `trainctl storage --plan` say what would go")
      ->envname("TRAIND_RETAIN_PLAN");
  add("webhook", config.webhooks,
      "POST each change of a job's state to this https URL, signed (docs/webhooks.md); may be given again, at most 8.\n"
      "Default: none")
      ->default_str("")
      ->expected(1)
      ->take_all();
  add("webhook-secret", config.webhook_secret,
      "File with the key of the signatures, which other users cannot read: echo whsec_$(openssl rand -base64 32)");
  app.add_flag("--webhook-allow-private", config.webhook_allow_private,
               "Allow webhooks at addresses of this machine and of inside networks, and without TLS")
      ->envname("TRAIND_WEBHOOK_ALLOW_PRIVATE");
  add("webhook-ca", config.webhook_ca,
      "PEM file with the authorities that webhooks' certificates are of; default: the system's");
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
  if (auto policy = ParseRetention(config.retain); !policy.ok()) return policy.status();
  if (auto proxies = Proxies::Parse(config.trusted_proxies); !proxies.ok()) return proxies.status();
  if (absl::Status status = CheckTlsFlags(config.tls); !status.ok()) return status;
  if (absl::Status status = CheckReach(config, "--listen", config.listen); !status.ok()) return status;
  if (!config.http_listen.empty()) {
    if (absl::Status status = CheckReach(config, "--http-listen", config.http_listen); !status.ok()) return status;
  } else if (!config.http_names.empty()) {
    return absl::InvalidArgumentError("--http-name: there is no --http-listen that could be called so");
  }
  if (!config.metrics_insecure && !config.metrics_listen.empty() && !IsLoopback(config.metrics_listen)) {
    return absl::FailedPreconditionError(absl::StrCat(
        "--metrics-listen ", config.metrics_listen,
        " can be reached from other machines, and everybody who reaches it could read what the server does and how its "
        "jobs are called: listen on 127.0.0.1, or say --metrics-insecure if the network itself is trusted."));
  }
  for (const std::string& text : config.quotas) {
    if (absl::Status status = ParseQuota(text, config.quota); !status.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("--quota ", text, ": ", status.message()));
    }
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
