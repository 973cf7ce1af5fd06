// The parts of the server that the services work with. All of them outlive the services; each is thread-safe.
#pragma once

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
  TaskRunner* tasks;
  TaskRunner* data_tasks;  // Imports and descriptions of datasets: as many as `slow` has threads.
  Executor* quick;
  Executor* slow;
};

}  // namespace traind::server
