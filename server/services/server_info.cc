#include "server/services/server_info.h"

#include <filesystem>
#include <string>
#include <system_error>

#include "absl/time/clock.h"
#include "google/protobuf/util/time_util.h"
#include "server/telemetry/logging.h"
#include "traind/version.h"

namespace traind::server {
namespace {

using google::protobuf::util::TimeUtil;

constexpr const char* kFeatures[] = {"server_info", "log_level", "watch_until_now", "trace_context",
                                     "storage",     "series",    "findings"};

int64_t FileBytes(const std::string& path) {
  std::error_code error;
  const auto bytes = std::filesystem::file_size(path, error);
  return error ? 0 : static_cast<int64_t>(bytes);
}

v1::LogLevel CurrentLogLevel() {
  const std::string name = LogLevelName();
  return name == "debug"     ? v1::LOG_LEVEL_DEBUG
         : name == "warning" ? v1::LOG_LEVEL_WARNING
         : name == "error"   ? v1::LOG_LEVEL_ERROR
                             : v1::LOG_LEVEL_INFO;
}

void AddCapacity(const Backend& backend, const Budget& budget, v1::ServerCapacity& capacity) {
  const Budget::Usage usage = budget.usage();
  capacity.set_threads(budget.capacity().threads);
  capacity.set_threads_in_use(static_cast<uint32_t>(usage.threads));
  capacity.set_memory_bytes(budget.capacity().memory_bytes);
  capacity.set_memory_in_use_bytes(usage.memory_bytes);
  capacity.set_default_threads(backend.default_threads == 0 ? budget.capacity().threads : backend.default_threads);
}

void AddQueue(const Backend& backend, const Metrics& metrics, v1::ServerQueue& queue) {
  for (const auto& [state, jobs] : backend.jobs->CountByState()) {
    if (jobs <= 0) continue;
    auto* count = queue.add_job_counts();
    count->set_state(state);
    count->set_jobs(jobs);
  }
  const OperationManager::Counts operations = backend.operations->Count();
  queue.set_operations_queued(operations.queued);
  queue.set_operations_running(operations.running);
  queue.set_watchers(metrics.watchers.load(std::memory_order_relaxed));
}

void AddDisk(const Backend& backend, const DiskReserve& reserve, v1::ServerDisk& disk) {
  const DiskReserve::Room room = reserve.room();
  disk.set_total_bytes(room.total_bytes);
  disk.set_free_bytes(room.free_bytes);
  disk.set_reserve_bytes(room.reserve_bytes);
  disk.set_reserve_held_bytes(room.held_bytes);
  const std::string store = backend.folder->Database();
  disk.set_store_bytes(FileBytes(store) + FileBytes(store + "-wal"));
}

}  // namespace

v1::ServerInfo DescribeServer(const Backend& backend, const ServerFacts& facts) {
  v1::ServerInfo info;
  info.set_version(kVersion);
  for (const char* feature : kFeatures) info.add_features(feature);
  *info.mutable_start_time() = TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(facts.start_time));
  *info.mutable_uptime() = TimeUtil::NanosecondsToDuration(absl::ToInt64Nanoseconds(absl::Now() - facts.start_time));
  const absl::Status ready = facts.ready();
  info.set_ready(ready.ok());
  info.set_not_ready_reason(std::string(ready.message()));
  AddCapacity(backend, *facts.budget, *info.mutable_capacity());
  AddQueue(backend, *facts.metrics, *info.mutable_queue());
  AddDisk(backend, *facts.reserve, *info.mutable_disk());
  info.set_log_level(CurrentLogLevel());
  *info.mutable_sandbox() = facts.sandbox;
  if (facts.certificate_expiry != nullptr) {
    *info.mutable_certificate_expire_time() =
        TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(facts.certificate_expiry()));
  }
  return info;
}

void AddServerSamples(const v1::ServerInfo& info, Samples& samples) {
  const auto add = [&](const char* name, const char* help, double value) { samples.Gauge({name, help}, value); };
  samples.Gauge({"traind_build_info", "1; the version is in the label"}, 1, {{"version", info.version()}});
  add("traind_ready", "1: new work is begun, as /readyz says it", info.ready() ? 1 : 0);
  const v1::ServerCapacity& capacity = info.capacity();
  add("traind_threads", "Threads that jobs and tasks share (--threads)", capacity.threads());
  add("traind_threads_in_use", "Those of them that jobs and tasks have", capacity.threads_in_use());
  add("traind_memory_bytes", "Memory that jobs and tasks share (--memory-limit)",
      static_cast<double>(capacity.memory_bytes()));
  add("traind_memory_in_use_bytes", "The part of it that is reserved for jobs and tasks",
      static_cast<double>(capacity.memory_in_use_bytes()));
  const SampleName operations = {"traind_operations", "Operations that are not done, by their state"};
  samples.Gauge(operations, static_cast<double>(info.queue().operations_queued()), {{"state", "queued"}});
  samples.Gauge(operations, static_cast<double>(info.queue().operations_running()), {{"state", "running"}});
  const v1::ServerDisk& disk = info.disk();
  add("traind_disk_size_bytes", "Size of the data folder's file system", static_cast<double>(disk.total_bytes()));
  add("traind_disk_free_bytes", "What of it the server may still take", static_cast<double>(disk.free_bytes()));
  add("traind_disk_reserve_bytes", "What the server keeps for the ends of jobs",
      static_cast<double>(disk.reserve_bytes()));
  add("traind_disk_reserve_held_bytes", "What it has of that; less: the disk is full",
      static_cast<double>(disk.reserve_held_bytes()));
  add("traind_store_size_bytes", "Size of the file of jobs and events, with its log",
      static_cast<double>(disk.store_bytes()));
  if (info.has_certificate_expire_time()) {
    add("traind_tls_certificate_expiry_timestamp_seconds", "When the server's certificate ends, since 1970",
        static_cast<double>(info.certificate_expire_time().seconds()));
  }
}

}  // namespace traind::server
