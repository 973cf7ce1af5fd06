// --tensorboard-dir: TensorBoard's event files of all jobs, as they train. Reads the store and writes beside it: no job
// waits for it, and what cannot be written is told in the log and tried again. Files of deleted jobs stay.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "core/tensorboard/event_file.h"
#include "server/store/job_store.h"

namespace traind::server {

// Start and Stop are for one thread.
class LiveEventFiles {
 public:
  // `store` outlives this.
  LiveEventFiles(JobStore* store, std::string folder) : store_(store), folder_(std::move(folder)) {}
  ~LiveEventFiles() { Stop(); }

  // Passes once in each interval, on a thread of its own.
  void Start(absl::Duration interval = absl::Seconds(2));
  // Returns after a last pass over the jobs whose files are open; a later start goes on with all others.
  void Stop();

  // Writes what is new of every job that is not over, and the rest of those that were not at the pass before; the first
  // pass goes over all jobs. Returns the first error; the others are in the log, too.
  absl::Status Pass();

 private:
  struct Run {
    std::string id = "";                           // Of the job.
    std::unique_ptr<tensorboard::EventFile> file;  // Null while there is nothing to write.
    int64_t last_sequence = 0;                     // Of the events that were looked at.
    std::string error;                             // Told; empty: none.
    bool seen = false;                             // In this pass.
  };

  void Loop(absl::Duration interval);
  absl::Status Write(const StoredJob& job);
  absl::Status Append(const StoredJob& job, Run& run);
  bool stopping() const;

  JobStore* const store_;
  const std::string folder_;
  std::map<JobKey, Run> runs_;  // Of jobs that are not over.
  bool first_ = true;           // No pass was made.
  mutable absl::Mutex mu_;
  bool stop_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace traind::server
