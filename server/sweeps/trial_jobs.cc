#include "server/sweeps/trial_jobs.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/resources/caller.h"
#include "server/resources/names.h"
#include "server/scheduler/scheduler.h"
#include "server/services/admission.h"
#include "server/services/continuation.h"

namespace traind::server {
namespace {

Caller CallerOf(const TrialJobs::Whose& whose) {
  return {.user = whose.owner, .role = whose.owner.empty() ? v1::ROLE_ADMIN : v1::ROLE_USER};
}

// What never fits is a fault of the spec, and not something to wait for.
absl::Status CheckEverFits(const v1::Job& job, const Capacity& capacity) {
  const absl::Status fits = CheckFits(job.threads(), job.memory_bound_bytes(), capacity);
  return fits.ok() ? fits : absl::InvalidArgumentError(fits.message());
}

}  // namespace

absl::StatusOr<v1::Job> ServerTrialJobs::Check(const v1::JobSpec& spec, const Whose& whose,
                                               const core::StopCheck& stop) {
  const auto threads = DefaultThreads(backend_, CallerOf(whose));
  if (!threads.ok()) return threads.status();
  v1::CreateJobRequest request;
  *request.mutable_spec() = spec;
  auto admitted = Admit(request, *backend_.folder, backend_.jobs->capacity().threads, *threads, stop);
  if (!admitted.ok()) return admitted.status();
  if (absl::Status fits = CheckEverFits(admitted->job, backend_.jobs->capacity()); !fits.ok()) return fits;
  return std::move(admitted->job);
}

absl::StatusOr<v1::Job> ServerTrialJobs::Create(const NewTrialJob& wanted, const Whose& whose) {
  const Caller caller = CallerOf(whose);
  const auto threads = DefaultThreads(backend_, caller);
  if (!threads.ok()) return threads.status();
  const Capacity& capacity = backend_.jobs->capacity();
  const auto complete = [&](absl::StatusOr<JobManager::NewJob> admitted) -> absl::StatusOr<JobManager::NewJob> {
    if (!admitted.ok()) return admitted;
    if (absl::Status fits = CheckEverFits(admitted->job, capacity); !fits.ok()) return fits;
    admitted->job.set_pause_at_step(wanted.pause_at_step);
    *admitted->job.mutable_sharing() = whose.sharing;
    return admitted;
  };
  if (!wanted.from.empty()) {
    v1::ForkJobRequest request;
    request.set_name(wanted.from);
    request.set_job_id(wanted.job_id);
    request.set_request_id(wanted.request_id);
    *request.mutable_spec() = wanted.spec;
    return backend_.jobs->Fork(
        request,
        [&](const v1::ForkJobRequest& fork) {
          return complete(AdmitFork(fork, *backend_.store, *backend_.folder, capacity.threads, *threads, nullptr));
        },
        caller);
  }
  v1::CreateJobRequest request;
  request.set_job_id(wanted.job_id);
  request.set_request_id(wanted.request_id);
  *request.mutable_spec() = wanted.spec;
  return backend_.jobs->Create(
      request,
      [&](const v1::CreateJobRequest& create) {
        return complete(Admit(create, *backend_.folder, capacity.threads, *threads, nullptr));
      },
      caller);
}

absl::Status ServerTrialJobs::Share(const std::string& id, const v1::Sharing& sharing) {
  v1::UpdateJobRequest request;
  request.mutable_job()->set_name(absl::StrCat("jobs/", id));
  *request.mutable_job()->mutable_sharing() = sharing;
  request.mutable_update_mask()->add_paths("sharing");
  return backend_.jobs->Update(request).status();
}

absl::StatusOr<std::vector<v1::Event>> ServerTrialJobs::Evaluations(const std::string& id, int64_t& after_sequence) {
  const auto key = backend_.store->KeyOf(id);
  if (!key.ok()) return key.status();
  std::vector<v1::Event> evaluations;
  while (true) {
    const auto batch =
        backend_.store->ReadEvents(*key, {.after_sequence = after_sequence, .kinds = 1u << v1::EVENT_KIND_EVALUATION});
    if (!batch.ok()) return batch.status();
    for (const auto& event : batch->events) {
      if (event->has_evaluation()) evaluations.push_back(*event);
    }
    if (batch->last_scanned <= after_sequence) return evaluations;
    after_sequence = batch->last_scanned;
  }
}

}  // namespace traind::server
