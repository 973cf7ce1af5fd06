// The parts of the server that the services work with. All of them outlive the services; each is thread-safe.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "server/events/event_log.h"
#include "server/jobs/job_manager.h"
#include "server/operations/operation_manager.h"
#include "server/rpc/gate.h"
#include "server/rpc/places.h"
#include "server/services/owned_bytes.h"
#include "server/services/task_runner.h"
#include "server/store/data_folder.h"
#include "server/store/job_store.h"
#include "server/store/sweep_store.h"

namespace traind::server {

// `quick` is for calls of milliseconds. The others, each of which may take long, are of kinds that do not wait for each
// other: `making` jobs, which plans their networks; `planning` a network that somebody looks at; `asking` a worker, and
// waiting for it; `files` that come and go; `removing` things.
struct Backend {
  JobStore* store;
  EventLog* log;
  DataFolder* folder;
  JobManager* jobs;
  uint32_t default_threads;  // Of a job that names none; 0: all.
  TaskRunner* tasks;
  OperationManager* operations;
  Places* watchers;
  QuotaBook* quotas;
  OwnedBytes* bytes;
  const Entrance* quick;
  const Entrance* making;
  const Entrance* planning;
  const Entrance* asking;
  const Entrance* files;
  const Entrance* removing;
  SweepStore* sweeps = nullptr;  // Null: there are none.
};

// The threads of a caller's job that names none: not more than their quota has. 0: all.
inline absl::StatusOr<uint32_t> DefaultThreads(const Backend& backend, const Caller& caller) {
  const auto quota = backend.quotas->Of(caller.user);
  if (!quota.ok()) return quota.status();
  const uint32_t all = backend.jobs->capacity().threads;
  const int64_t most = ValueOf(quota->limits, QuotaKind::kThreads);
  const uint32_t threads = backend.default_threads == 0 ? all : backend.default_threads;
  return most < 1 || most >= threads ? backend.default_threads : static_cast<uint32_t>(most);
}

// FAILED_PRECONDITION: an operation needs the resource.
inline absl::Status CheckUnused(const Backend& backend, const std::string& resource) {
  const std::string user = backend.operations->UserOf(resource);
  if (user.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(user, " uses ", resource));
}

}  // namespace traind::server
