// The parts of the server that the services work with. All of them outlive the services; each is thread-safe.
#pragma once

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "server/events/event_log.h"
#include "server/jobs/job_manager.h"
#include "server/rpc/executor.h"
#include "server/services/task_runner.h"
#include "server/store/data_folder.h"
#include "server/store/job_store.h"

namespace traind::server {

// `quick` is for calls of milliseconds, `slow` for those that read much or wait for a worker.
struct Backend {
  JobStore* store;
  EventLog* log;
  DataFolder* folder;
  JobManager* jobs;
  uint32_t default_threads;  // Of a job that names none; 0: all.
  TaskRunner* tasks;
  TaskRunner* data_tasks;  // Imports and descriptions of datasets: as many as `slow` has threads.
  Executor* quick;
  Executor* slow;
  // The operation that is not done and needs the resource of this name ("uploads/a"); empty: none does.
  std::function<std::string(const std::string& resource)> user_of = nullptr;
};

// FAILED_PRECONDITION: an operation needs the resource.
inline absl::Status CheckUnused(const Backend& backend, const std::string& resource) {
  const std::string user = backend.user_of == nullptr ? "" : backend.user_of(resource);
  if (user.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(user, " uses ", resource));
}

}  // namespace traind::server
