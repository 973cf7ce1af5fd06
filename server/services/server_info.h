// The server at one moment, as GetServerInfo tells it and Prometheus has it. Thread-safe.
#pragma once

#include <functional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/resources/caller.h"
#include "server/scheduler/budget.h"
#include "server/services/backend.h"
#include "server/store/disk_reserve.h"
#include "server/telemetry/metrics.h"
#include "server/telemetry/samples.h"
#include "traind/v1/server_service.pb.h"

namespace traind::server {

// What the server knows of itself beside its backend. What the pointers lead to outlives this.
struct ServerFacts {
  absl::Time start_time;
  Budget* budget = nullptr;
  DiskReserve* reserve = nullptr;
  Metrics* metrics = nullptr;
  // Whether new work is begun; else why not.
  std::function<absl::Status()> ready;
  v1::WorkerSandbox sandbox;  // What keeps workers from the rest of the machine.
  // What GetStorage answers; see Retention.
  std::function<absl::StatusOr<v1::Storage>(const Caller& caller, bool plan)> storage;
  // When the certificate that new connections get expires; null: without TLS.
  std::function<absl::Time()> certificate_expiry = nullptr;
};

v1::ServerInfo DescribeServer(const Backend& backend, const ServerFacts& facts);

// The part of it that Prometheus has.
void AddServerSamples(const v1::ServerInfo& info, Samples& samples);

}  // namespace traind::server
