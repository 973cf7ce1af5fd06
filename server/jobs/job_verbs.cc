// What people ask of a job: the verbs of job_verb.h, and forks.
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/enum_name.h"
#include "server/jobs/job_data.h"
#include "server/jobs/job_manager.h"
#include "server/jobs/progress.h"
#include "server/resources/etag.h"
#include "server/resources/job_state.h"
#include "server/resources/names.h"
#include "server/resources/request_id.h"

namespace traind::server {
namespace {

using Effect = VerbRule::Effect;

constexpr absl::string_view kStoppedByClient = "stopped by a client";

// Whether the verb does anything but refuse.
absl::Status CheckVerb(const v1::Job& job, JobVerb verb, const std::string& etag) {
  if (absl::Status status = CheckEtag(etag, job.etag(), job.name()); !status.ok()) return status;
  const VerbRule& rule = RuleOf(verb, job.state());
  if (rule.effect == Effect::kRefused) {
    return absl::FailedPreconditionError(
        absl::StrCat(job.name(), " is ", core::EnumName(job.state()), ": ", std::string(rule.instead)));
  }
  // A job at rest is stopped by leaving it at its newest checkpoint.
  if (verb == JobVerb::kStop && rule.to == v1::JOB_STATE_SUCCEEDED && job.progress().checkpoint_step() == 0) {
    return absl::FailedPreconditionError(
        absl::StrCat(job.name(), " is ", core::EnumName(job.state()), " and has trained nothing yet: cancel it"));
  }
  if (verb == JobVerb::kExtend && MaxDurationLeft(job) <= absl::ZeroDuration()) {
    return absl::FailedPreconditionError(
        absl::StrCat("the ", TimeIsOver(job), ": fork ", job.name(), " with a longer one"));
  }
  return absl::OkStatus();
}

std::string ReasonOf(JobVerb verb, v1::JobState to, const v1::Job& job) {
  switch (verb) {
    case JobVerb::kCancel:
      return "cancelled by a client";
    case JobVerb::kPause:
      return to == v1::JOB_STATE_PAUSED ? absl::StrCat("paused by a client; ", WouldGoOn(job)) : "paused by a client";
    case JobVerb::kStop:
      return to == v1::JOB_STATE_STOPPING
                 ? std::string(kStoppedByClient)
                 : absl::StrCat(kStoppedByClient, " at its checkpoint of step ", job.progress().checkpoint_step());
    case JobVerb::kResume:
      return absl::StrCat("resumed by a client; ", GoingOn(job));
    case JobVerb::kExtend:
      return absl::StrCat("extended by a client to ", job.progress().total_steps(), " steps; ", GoingOn(job));
    case JobVerb::kDelete:
      break;
  }
  return "";
}

void TakeOver(const v1::Job& extended, v1::Job& job) {
  *job.mutable_spec() = extended.spec();
  *job.mutable_resolved_spec() = extended.resolved_spec();
  *job.mutable_warnings() = extended.warnings();
  job.mutable_progress()->set_total_steps(extended.progress().total_steps());
}

internal::Stop::Reason StopFor(v1::JobState state) {
  return state == v1::JOB_STATE_PAUSING    ? internal::Stop::REASON_PAUSE
         : state == v1::JOB_STATE_STOPPING ? internal::Stop::REASON_FINISH
                                           : internal::Stop::REASON_CANCEL;
}

}  // namespace

absl::StatusOr<v1::Job> JobManager::Cancel(const std::string& id, const std::string& etag) {
  return Act({.verb = JobVerb::kCancel, .id = id, .etag = etag});
}

absl::StatusOr<v1::Job> JobManager::Pause(const std::string& id, const std::string& etag) {
  return Act({.verb = JobVerb::kPause, .id = id, .etag = etag});
}

absl::StatusOr<v1::Job> JobManager::Resume(const std::string& id, const std::string& etag) {
  return Act({.verb = JobVerb::kResume, .id = id, .etag = etag, .pause_at_step = std::nullopt});
}

absl::StatusOr<v1::Job> JobManager::ResumeTo(const std::string& id, uint64_t pause_at_step) {
  return Act({.verb = JobVerb::kResume, .id = id, .etag = "", .pause_at_step = pause_at_step});
}

absl::StatusOr<v1::Job> JobManager::Stop(const std::string& id, const std::string& etag) {
  return Act({.verb = JobVerb::kStop, .id = id, .etag = etag});
}

absl::Status JobManager::Delete(const std::string& id, const std::string& etag) {
  return Act({.verb = JobVerb::kDelete, .id = id, .etag = etag}).status();
}

absl::StatusOr<v1::Job> JobManager::Extend(const std::string& id, const v1::ExtendJobRequest& request,
                                           const Extension& extend) {
  auto stored = store_->GetJob(id);
  if (!stored.ok()) return stored.status();
  if (absl::Status status = CheckVerb(stored->job, JobVerb::kExtend, request.etag()); !status.ok()) return status;
  auto extended = extend(std::move(stored->job));
  if (!extended.ok()) return extended.status();
  if (!request.validate_only()) {
    return Act({.verb = JobVerb::kExtend, .id = id, .etag = request.etag(), .extended = &*extended});
  }
  if (absl::Status status = CheckGoesOn(*extended); !status.ok()) return status;
  return extended;
}

absl::StatusOr<v1::Job> JobManager::Fork(const v1::ForkJobRequest& request, const ForkAdmission& admit,
                                         const Caller& caller) {
  v1::ForkJobRequest same = request;
  same.clear_request_id();
  same.clear_validate_only();
  same.clear_view();
  return Make({.method = "ForkJob",
               .request_id = RequestIdOf(caller, request.request_id()),
               .fingerprint = RequestFingerprint(same),
               .validate_only = request.validate_only(),
               .owner = caller.user},
              [&] { return admit(request); });
}

absl::Status JobManager::PlaceCheckpoints(const std::vector<core::CheckpointFiles>& checkpoints, absl::string_view id) {
  auto folder = folder_->NewTemporary();
  if (!folder.ok()) return folder.status();
  for (const core::CheckpointFiles& checkpoint : checkpoints) {
    const absl::Status linked = core::LinkCheckpoint(checkpoint, *folder + "/checkpoints");
    if (absl::IsNotFound(linked)) {
      return absl::UnavailableError(
          absl::StrCat("the checkpoint was pruned or replaced just now; try again: ", linked.message()));
    }
    if (!linked.ok()) return linked;
  }
  return folder_->Publish(*folder, "jobs", id);
}

absl::StatusOr<v1::Job> JobManager::Act(const Wish& wish) {
  if (absl::Status status = CheckServing(); !status.ok()) return status;
  const auto act = [&](const std::shared_ptr<LiveJob>& live) -> std::optional<absl::StatusOr<v1::Job>> {
    if (live == nullptr) return std::nullopt;
    absl::MutexLock lock(&live->mu);
    if (live->forgotten) return std::nullopt;
    return Apply(*live, wish);
  };
  if (wish.verb != JobVerb::kDelete) {
    if (auto done = act(FindLive(wish.id)); done.has_value()) return *std::move(done);
  }
  // The job may be about to become live; and what one that comes back needs is not removed meanwhile.
  absl::MutexLock files(&files_mu_);
  if (auto done = act(FindLive(wish.id)); done.has_value()) return *std::move(done);
  auto stored = store_->GetJob(wish.id);
  if (absl::IsDataLoss(stored.status()) && wish.verb == JobVerb::kDelete) return EraseDamaged(wish.id);
  if (!stored.ok()) return stored.status();
  const std::shared_ptr<LiveJob> live = Load(*std::move(stored));
  absl::MutexLock lock(&live->mu);
  auto done = Apply(*live, wish);
  if (done.ok() && !IsTerminal(done->state())) MakeLive(live);
  return done;
}

absl::StatusOr<v1::Job> JobManager::Apply(LiveJob& live, const Wish& wish) {
  if (absl::Status status = CheckVerb(live.job, wish.verb, wish.etag); !status.ok()) return status;
  const VerbRule& rule = RuleOf(wish.verb, live.job.state());
  if (rule.effect == Effect::kNothing) return live.job;
  if (rule.effect == Effect::kDeletes) return Erase(live);
  if (rule.to == v1::JOB_STATE_QUEUED) {
    if (absl::Status status = PrepareToGoOn(live, wish); !status.ok()) return status;
  }
  const v1::JobState from = live.job.state();
  const v1::Job& reasoned = wish.extended != nullptr ? *wish.extended : live.job;
  const absl::Status moved = Move(live, rule.to, ReasonOf(wish.verb, rule.to, reasoned), [&](v1::Job& job) {
    // The last wish counts.
    job.set_stop_reason(rule.to == v1::JOB_STATE_STOPPING ? std::string(kStoppedByClient) : "");
    if (rule.to == v1::JOB_STATE_SUCCEEDED) job.mutable_progress()->set_step(job.progress().checkpoint_step());
    if (rule.to != v1::JOB_STATE_QUEUED) return;
    job.clear_error();
    job.clear_end_time();
    job.set_restarts(0);
    // A job that a person pauses before the step where it is held is held there still.
    const bool on_its_way = from == v1::JOB_STATE_PAUSED && job.progress().step() < job.pause_at_step();
    job.set_pause_at_step(wish.pause_at_step.value_or(on_its_way ? job.pause_at_step() : 0));
    if (wish.extended != nullptr) TakeOver(*wish.extended, job);
  });
  if (!moved.ok()) return moved;
  if (rule.to == v1::JOB_STATE_QUEUED) live.restarts = {.reached = live.job.progress().step()};
  if (!HasWorker(rule.to)) live.standing.WaitFor("");
  if (live.worker != nullptr) live.worker->Stop(StopFor(rule.to));
  if (IsTerminal(rule.to)) Forget(live);
  Wake();
  return live.job;
}

absl::Status JobManager::PrepareToGoOn(LiveJob& live, const Wish& wish) {
  if (wish.extended != nullptr && wish.extended->last_sequence() != live.job.last_sequence()) {
    return absl::AbortedError(absl::StrCat(live.job.name(), " was changed just now; try again"));
  }
  if (absl::Status status = CheckGoesOn(live.job); !status.ok()) return status;
  if (!IsTerminal(live.job.state())) return absl::OkStatus();
  // A person may have deleted its newest checkpoint meanwhile.
  const auto newest = core::FindCheckpoint(folder_->CheckpointDir(live.id), "latest");
  if (!newest.ok() && !absl::IsNotFound(newest.status())) return newest.status();
  live.job.mutable_progress()->set_checkpoint_step(newest.ok() ? newest->manifest.step() : 0);
  return ReadPosition(live);
}

absl::Status JobManager::CheckGoesOn(const v1::Job& job) {
  const std::string& dataset = job.resolved_spec().data().dataset();
  if (!folder_->Exists("datasets", IdOf(dataset))) {
    return absl::FailedPreconditionError(absl::StrCat(job.name(), " cannot go on: ", dataset, " was deleted"));
  }
  if (absl::Status same = CheckDataOf(job, *folder_); !same.ok()) {
    return absl::FailedPreconditionError(absl::StrCat(job.name(), " cannot go on: ", same.message(),
                                                      "; to train on the new data create a job with initial_weights"));
  }
  absl::Status fits = CheckFits(job.threads(), job.memory_bound_bytes(), capacity());
  return fits.ok() ? CheckQuotaOf(job) : fits;
}

absl::StatusOr<v1::Job> JobManager::Erase(LiveJob& live) {
  files_mu_.AssertHeld();
  if (absl::Status status = store_->DeleteJob(live.key); !status.ok()) return status;
  Count(live.job.state(), -1);
  Forget(live);
  if (absl::Status status = RemoveTraces(live.key, live.id); !status.ok()) return status;
  return std::move(live.job);
}

absl::StatusOr<v1::Job> JobManager::EraseDamaged(const std::string& id) {
  const auto key = store_->KeyOf(id);
  if (!key.ok()) return key.status();
  if (absl::Status status = store_->DeleteJob(*key); !status.ok()) return status;
  if (absl::Status status = CountAnew(); !status.ok()) return status;  // Nobody can say in which state it was.
  if (absl::Status status = RemoveTraces(*key, id); !status.ok()) return status;
  return v1::Job();
}

absl::Status JobManager::RemoveTraces(JobKey key, const std::string& id) {
  log_->Remove(key);
  // After the rows: a crash in between leaves files without a job, which the next start sets aside.
  return folder_->Remove("jobs", id);
}

}  // namespace traind::server
