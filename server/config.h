// What the server can be told: flags, environment variables (TRAIND_DATA_DIR for --data-dir, ...) and a configuration
// file (--config), in this order of precedence.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/rpc/port_limits.h"
#include "server/tls/certificates.h"
#include "traind/v1/quota.pb.h"

namespace traind::server {

struct Config {
  std::string listen = "127.0.0.1:50051";
  std::string port_file;  // Where to write the port; empty: nowhere.
  bool insecure = false;
  TlsFiles tls;
  std::string metrics_listen;  // Of the port for Prometheus and probes; empty: none.
  bool metrics_insecure = false;
  std::string http_listen;  // Of the port for browsers; empty: none.
  std::vector<std::string>
      http_names;         // That this port answers to, besides localhost, addresses and the certificate's.
  std::string audit_log;  // File; empty: none.
  std::vector<std::string> trusted_proxies = {};  // Addresses and networks; see Proxies.
  std::string tensorboard_dir;                    // Folder of event files; empty: none.
  std::string data_dir = "./traind-data";
  std::vector<std::string> dataset_roots = {"/usr/share/datasets"};
  uint32_t threads = 0;          // 0: all cores, as far as the container's CPU quota goes.
  uint32_t default_threads = 0;  // Of a job that names none; 0: all of `threads`.
  int64_t memory_limit = 0;      // Bytes for all jobs together; 0: 80 % of the machine's or the container's.
  uint32_t max_restarts = 3;
  absl::Duration heartbeat_timeout = absl::Seconds(60);
  int max_evaluations = 2;
  PortLimits limits;
  std::string worker;  // Program; empty: traind-worker beside this one.
  std::string log_level = "info";
  std::string log_format = "text";
  std::vector<std::string> quotas = {};  // "threads=4,streams=20": for users without a quota of their own.
  v1::Quota quota;                       // What they say together; filled in by CompleteConfig.
  std::vector<std::string> retain;       // Rules of retention: see ParseRetention.
  std::vector<std::string> webhooks;     // URLs that are told of jobs' states.
  std::string webhook_secret;            // File with the key of their signatures.
  bool webhook_allow_private = false;    // They may be of this machine, or of an inside network, and speak http.
  std::string webhook_ca;                // Authorities of their certificates; empty: the system's.
  bool retain_plan = false;              // Apply them to nothing, and say what would go.
  bool require_sandbox = false;          // Refuse to start where a layer of the workers' sandbox is missing.
};

// What to do after the command line was read.
struct ParsedConfig {
  Config config;
  bool exit = false;  // --help or --version, or an error: print and end.
  int exit_code = 0;
  std::string output;  // To print then; to stderr when exit_code is not 0.
};
ParsedConfig ParseConfig(int argc, const char* const* argv);

// True for an address that only this machine can reach: 127.0.0.0/8, ::1, localhost, unix:.
bool IsLoopback(const std::string& address);

// Fills in what was left to the machine and checks the rest: FAILED_PRECONDITION for an address that needs TLS or
// --insecure. Whether the files of TLS are sound is found out by Server::Start.
absl::Status CompleteConfig(Config& config);

}  // namespace traind::server
