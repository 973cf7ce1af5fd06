// What a sweep asks of jobs: its trials are such. An interface, so that the decisions of sweeps can be tested with jobs
// that do what a test says; there is one other implementation, over the parts of the server.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/stop_check.h"
#include "server/services/backend.h"
#include "traind/v1/event.pb.h"
#include "traind/v1/job.pb.h"
#include "traind/v1/sweep.pb.h"

namespace traind::server {

// Thread-safe. Errors are those of the methods of TrainingService with these names.
class TrialJobs {
 public:
  // Whose a job is to be.
  struct Whose {
    std::string owner = "";
    v1::Sharing sharing = {};
  };
  // One of a trial: where it begins, and where it is to hold.
  struct NewTrialJob {
    std::string job_id;
    std::string request_id;
    v1::JobSpec spec;
    std::string from;            // "jobs/{id}/checkpoints/{step}", as ForkJob; empty: by itself.
    uint64_t pause_at_step = 0;  // 0: nowhere.
  };

  virtual ~TrialJobs() = default;

  // The job as it would be, with both specs and its totals, whatever quotas say; nothing is stored. `stop` ends it.
  // INVALID_ARGUMENT, with a BadRequest over the fields of CreateJobRequest: also when it can never fit the server.
  virtual absl::StatusOr<v1::Job> Check(const v1::JobSpec& spec, const Whose& whose, const core::StopCheck& stop) = 0;
  // Idempotent by its request_id.
  virtual absl::StatusOr<v1::Job> Create(const NewTrialJob& wanted, const Whose& whose) = 0;
  virtual absl::StatusOr<v1::Job> Get(const std::string& id) = 0;
  virtual absl::StatusOr<v1::Job> ResumeTo(const std::string& id, uint64_t pause_at_step) = 0;
  virtual absl::StatusOr<v1::Job> Stop(const std::string& id) = 0;
  virtual absl::StatusOr<v1::Job> Cancel(const std::string& id) = 0;
  virtual absl::Status Delete(const std::string& id) = 0;
  virtual absl::Status Share(const std::string& id, const v1::Sharing& sharing) = 0;
  // The EVALUATION events behind `after_sequence`, which becomes that of the last event looked at.
  virtual absl::StatusOr<std::vector<v1::Event>> Evaluations(const std::string& id, int64_t& after_sequence) = 0;
  // Threads of the server.
  virtual uint32_t threads() const = 0;
};

class ServerTrialJobs final : public TrialJobs {
 public:
  explicit ServerTrialJobs(const Backend& backend) : backend_(backend) {}

  absl::StatusOr<v1::Job> Check(const v1::JobSpec& spec, const Whose& whose, const core::StopCheck& stop) override;
  absl::StatusOr<v1::Job> Create(const NewTrialJob& wanted, const Whose& whose) override;
  absl::StatusOr<v1::Job> Get(const std::string& id) override { return backend_.jobs->Get(id); }
  absl::StatusOr<v1::Job> ResumeTo(const std::string& id, uint64_t pause_at_step) override {
    return backend_.jobs->ResumeTo(id, pause_at_step);
  }
  absl::StatusOr<v1::Job> Stop(const std::string& id) override { return backend_.jobs->Stop(id); }
  absl::StatusOr<v1::Job> Cancel(const std::string& id) override { return backend_.jobs->Cancel(id); }
  absl::Status Delete(const std::string& id) override { return backend_.jobs->Delete(id); }
  absl::Status Share(const std::string& id, const v1::Sharing& sharing) override;
  absl::StatusOr<std::vector<v1::Event>> Evaluations(const std::string& id, int64_t& after_sequence) override;
  uint32_t threads() const override { return static_cast<uint32_t>(backend_.jobs->capacity().threads); }

 private:
  const Backend backend_;
};

}  // namespace traind::server
