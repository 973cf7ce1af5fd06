// Jobs that outlive servers and do what a test says: each Tick they train to where they hold or end. They can be made
// to fail from some call on, as if the server were killed there: the call may or may not have done its work.
#pragma once

#include <cmath>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "core/base/errors.h"
#include "google/protobuf/util/time_util.h"
#include "server/resources/job_state.h"
#include "server/resources/names.h"
#include "server/sweeps/trial_jobs.h"

namespace traind::server {

class FakeTrialJobs final : public TrialJobs {
 public:
  struct Kept {
    v1::Job job;
    std::vector<v1::Event> evaluations;
    uint64_t trained = 0;  // Steps that workers have done.
  };
  // The loss after a step; NaN: that job fails there.
  std::function<double(const v1::JobSpec&, uint64_t step)> loss = [](const v1::JobSpec& spec, uint64_t step) {
    return std::abs(std::log10(spec.optimizer().learning_rate()) + 2) + 1.0 / (1.0 + static_cast<double>(step));
  };
  std::map<std::string, Kept> jobs;  // By id.
  std::function<absl::Time()> now = absl::Now;
  int created = 0;
  int calls = 0;                   // That change something.
  int dies_at = -1;                // At this call; -1: never.
  bool dies_after = false;         // Its work is done, but nobody hears of it.
  absl::Status refuses_to_create;  // OK: it does not.
  absl::Status refuses_to_resume;
  std::function<void()> creating;  // Called when a job is about to be made.

  // Every job that may train goes on to where it holds or ends.
  void Tick() {
    for (auto& [id, kept] : jobs) Advance(kept);
  }
  void Revive() { dies_at = -1; }
  void End(Kept& kept, v1::JobState state, const std::string& reason = "") {
    kept.job.set_state(state);
    kept.job.set_state_reason(reason);
    if (IsTerminal(state))
      *kept.job.mutable_end_time() = google::protobuf::util::TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(now()));
  }

  absl::StatusOr<v1::Job> Check(const v1::JobSpec& spec, const Whose&, const core::StopCheck&) override {
    if (Dead()) return Gone();
    core::FieldErrors::Root errors;
    const core::FieldErrors at = errors.scope("spec");
    if (spec.optimizer().learning_rate() <= 0) at.At("optimizer").At("learning_rate").Add("must be above 0");
    if (spec.data().dataset().empty()) at.At("data").At("dataset").Add("is required");
    if (!errors.ok()) return errors.ToStatus();
    return JobOf(spec);
  }
  absl::StatusOr<v1::Job> Create(const NewTrialJob& wanted, const Whose& whose) override {
    if (Dead()) return Gone();
    if (!refuses_to_create.ok()) return refuses_to_create;
    if (creating) creating();
    return Call([&]() -> absl::StatusOr<v1::Job> {
      for (const auto& [id, kept] : jobs) {
        if (kept.job.request_id() == wanted.request_id) return kept.job;
      }
      if (jobs.count(wanted.job_id) > 0) return AlreadyExistsError("Job", "jobs/" + wanted.job_id);
      Kept kept;
      kept.job = JobOf(wanted.spec);
      if (!wanted.from.empty()) {
        const auto name = ParseWeightsName(wanted.from, true, "name");
        if (!name.ok() || jobs.count(name->job) == 0) return NotFoundError("Checkpoint", wanted.from);
        const uint64_t at = jobs[name->job].job.progress().step();
        if (absl::StrCat(at) != name->checkpoint) return NotFoundError("Checkpoint", wanted.from);
        kept.job.mutable_progress()->set_step(at);
        kept.job.set_forked_from(wanted.from);
      }
      kept.job.set_name("jobs/" + wanted.job_id);
      kept.job.set_request_id(wanted.request_id);
      kept.job.set_owner(whose.owner);
      *kept.job.mutable_sharing() = whose.sharing;
      kept.job.set_pause_at_step(wanted.pause_at_step);
      kept.job.set_state(v1::JOB_STATE_QUEUED);
      ++created;
      return (jobs[wanted.job_id] = std::move(kept)).job;
    });
  }
  absl::StatusOr<v1::Job> Get(const std::string& id) override {
    if (Dead()) return Gone();
    const auto found = jobs.find(id);
    if (found == jobs.end()) return NotFoundError("Job", "jobs/" + id);
    return found->second.job;
  }
  absl::StatusOr<v1::Job> ResumeTo(const std::string& id, uint64_t pause_at_step) override {
    return Change(id, [&](Kept& kept) -> absl::Status {
      if (kept.job.state() == v1::JOB_STATE_SUCCEEDED) return absl::FailedPreconditionError("it has SUCCEEDED");
      if (!refuses_to_resume.ok()) return refuses_to_resume;
      kept.job.set_pause_at_step(pause_at_step);
      kept.job.set_state(v1::JOB_STATE_QUEUED);
      kept.job.clear_end_time();
      return absl::OkStatus();
    });
  }
  absl::StatusOr<v1::Job> Stop(const std::string& id) override {
    return Change(id, [&](Kept& kept) -> absl::Status {
      if (kept.job.state() == v1::JOB_STATE_PAUSING) return absl::FailedPreconditionError("wait until it is PAUSED");
      if (kept.job.progress().step() == 0) return absl::FailedPreconditionError("it has trained nothing yet");
      if (!IsTerminal(kept.job.state())) End(kept, v1::JOB_STATE_SUCCEEDED, "stopped by a client");
      return absl::OkStatus();
    });
  }
  absl::StatusOr<v1::Job> Cancel(const std::string& id) override {
    return Change(id, [&](Kept& kept) -> absl::Status {
      if (!IsTerminal(kept.job.state())) End(kept, v1::JOB_STATE_CANCELLED, "cancelled by a client");
      return absl::OkStatus();
    });
  }
  absl::Status Delete(const std::string& id) override {
    return jobs.erase(id) > 0 ? absl::OkStatus() : NotFoundError("Job", "jobs/" + id);
  }
  absl::Status Share(const std::string& id, const v1::Sharing& sharing) override {
    *jobs[id].job.mutable_sharing() = sharing;
    return absl::OkStatus();
  }
  absl::StatusOr<std::vector<v1::Event>> Evaluations(const std::string& id, int64_t& after_sequence) override {
    if (Dead()) return Gone();
    const std::vector<v1::Event>& all = jobs[id].evaluations;
    const auto from = std::min(static_cast<size_t>(after_sequence), all.size());
    after_sequence = static_cast<int64_t>(all.size());
    return std::vector<v1::Event>(all.begin() + static_cast<std::ptrdiff_t>(from), all.end());
  }
  uint32_t threads() const override { return 4; }

 private:
  static absl::Status Gone() { return absl::UnavailableError("the server was killed"); }
  bool Dead() const { return dies_at >= 0 && calls > dies_at; }

  absl::StatusOr<v1::Job> Call(const std::function<absl::StatusOr<v1::Job>()>& work) {
    if (Dead()) return Gone();
    const bool last = calls++ == dies_at;
    if (last && !dies_after) return Gone();
    auto done = work();
    return last ? absl::StatusOr<v1::Job>(Gone()) : done;
  }
  absl::StatusOr<v1::Job> Change(const std::string& id, const std::function<absl::Status(Kept&)>& change) {
    return Call([&]() -> absl::StatusOr<v1::Job> {
      const auto found = jobs.find(id);
      if (found == jobs.end()) return NotFoundError("Job", "jobs/" + id);
      if (absl::Status status = change(found->second); !status.ok()) return status;
      return found->second.job;
    });
  }

  static v1::Job JobOf(const v1::JobSpec& spec) {
    v1::Job job;
    *job.mutable_spec() = spec;
    *job.mutable_resolved_spec() = spec;
    if (spec.evaluation().every_steps() == 0) job.mutable_resolved_spec()->mutable_evaluation()->set_every_steps(10);
    job.set_threads(2);
    *job.mutable_labels() = spec.labels();
    job.mutable_progress()->set_total_steps(spec.steps());
    job.mutable_progress()->set_steps_per_epoch(10);
    if (!spec.has_epochs()) return job;
    const uint64_t epoch = 640 / spec.batch_size();
    job.mutable_progress()->set_total_steps(spec.epochs() * epoch);
    job.mutable_progress()->set_steps_per_epoch(epoch);
    if (spec.evaluation().every_steps() == 0) {
      job.mutable_resolved_spec()->mutable_evaluation()->set_every_steps(static_cast<uint32_t>(epoch));
    }
    return job;
  }

  void Advance(Kept& kept) {
    v1::Job& job = kept.job;
    if (job.state() != v1::JOB_STATE_QUEUED && job.state() != v1::JOB_STATE_RUNNING) return;
    job.set_state(v1::JOB_STATE_RUNNING);
    const uint64_t total = job.progress().total_steps();
    const uint64_t to = job.pause_at_step() > 0 ? std::min(job.pause_at_step(), total) : total;
    const uint64_t every = job.resolved_spec().evaluation().every_steps();
    while (job.progress().step() < to) {
      job.mutable_progress()->set_step(job.progress().step() + 1);
      ++kept.trained;
      const uint64_t step = job.progress().step();
      if (step % every != 0 && step != total) continue;
      const double value = loss(job.spec(), step);
      if (std::isnan(value)) {
        job.mutable_error()->set_message("the loss is not finite");
        return End(kept, v1::JOB_STATE_FAILED, "the loss is not finite");
      }
      v1::Event event;
      event.set_step(step);
      event.mutable_evaluation()->set_loss(value);
      kept.evaluations.push_back(std::move(event));
    }
    End(kept, to == total ? v1::JOB_STATE_SUCCEEDED : v1::JOB_STATE_PAUSED);
  }
};

}  // namespace traind::server
