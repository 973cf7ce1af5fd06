// What the end of a worker means for its job. Pure; thread-safe.
#pragma once

#include <cstdint>
#include <string>

#include "server/workers/worker.h"
#include "traind/v1/job.pb.h"

namespace traind::server {

struct WorkerVerdict {
  v1::JobState state = v1::JOB_STATE_FAILED;  // Where the job goes.
  std::string reason = "";                    // Of its STATE event; may be empty.
  v1::JobError error = {};                    // Of a FAILED job.
  bool restart = false;                       // The job is QUEUED because its worker failed.
  bool counts = false;                        // And that was the job's own doing, as far as can be known.
};

// `job` has a worker by its state, and `exit` is the end of that worker. `fruitless`: how often a worker of the job was
// started again, in a row, without getting any further.
WorkerVerdict JudgeExit(const v1::Job& job, const WorkerExit& exit, bool shutting_down, uint32_t max_restarts,
                        uint32_t fruitless);

}  // namespace traind::server
