#include "server/services/continuation.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/checkpoint/checkpoint_dir.h"
#include "core/data/held_out.h"
#include "core/job/extend.h"
#include "core/job/fork.h"
#include "core/job/resolve_parameter_rules.h"
#include "core/job/resolve_splits.h"
#include "google/protobuf/util/message_differencer.h"
#include "server/jobs/job_data.h"
#include "server/resources/names.h"
#include "server/services/admission.h"

namespace traind::server {
namespace {

using google::protobuf::util::MessageDifferencer;

// The job's newest checkpoint; one without any begins anew, as its workers do.
absl::StatusOr<v1::CheckpointManifest> NewestManifest(const DataFolder& folder, const v1::Job& job) {
  auto newest = core::FindCheckpoint(folder.CheckpointDir(IdOf(job.name())), "latest");
  if (absl::IsNotFound(newest.status())) return v1::CheckpointManifest();
  if (!newest.ok()) return newest.status();
  return std::move(newest->manifest);
}

absl::StatusOr<core::CheckpointFiles> FindForkPoint(const DataFolder& folder, const WeightsName& name) {
  auto checkpoint = core::FindCheckpoint(folder.CheckpointDir(name.job), name.checkpoint);
  if (!absl::IsNotFound(checkpoint.status())) return checkpoint;
  if (name.checkpoint != "latest" && name.checkpoint != "best") {
    return NotFoundError("Checkpoint", absl::StrCat("jobs/", name.job, "/checkpoints/", name.checkpoint),
                         checkpoint.status().message());
  }
  return absl::FailedPreconditionError(absl::StrCat("jobs/", name.job, ": ", checkpoint.status().message()));
}

// A warning when the outputs stand for other classes from here on.
std::string OtherClasses(const v1::DataIdentity& before, const v1::DataIdentity& now) {
  const auto &known = before.class_names(), &given = now.class_names();
  if (std::equal(known.begin(), known.end(), given.begin(), given.end())) return "";
  return absl::StrCat("the classes of ", now.dataset(), " are not those of ", before.dataset(),
                      ", for which the checkpoint's outputs stand: they are learned anew");
}

// A fork without changes goes on as its parent does, even if the defaults of a step have changed since it was made.
void KeepDefaults(const v1::JobSpec& resolved, v1::JobSpec& spec) {
  if (!spec.has_batch_size()) spec.set_batch_size(resolved.batch_size());
  spec.set_last_batch(resolved.last_batch());
  v1::DataSpec& data = *spec.mutable_data();
  if (!resolved.data().evaluation_split().empty()) data.set_evaluation_split(resolved.data().evaluation_split());
  data.set_test_split(core::Tests(resolved.data()) ? resolved.data().test_split() : core::kNoSplit);
  *data.mutable_preprocessing() = resolved.data().preprocessing();
  *data.mutable_augmentation() = resolved.data().augmentation();
}

// What CreateJob would be asked for. A fork does not initialize: the weights are the checkpoint's.
v1::CreateJobRequest CreationOf(const v1::ForkJobRequest& request, const v1::Job& parent) {
  v1::CreateJobRequest creation;
  *creation.mutable_spec() = request.has_spec() ? request.spec() : parent.spec();
  creation.mutable_spec()->clear_initial_weights();
  // The parent's own layers were taken when it was accepted.
  const v1::Network& network = creation.spec().network();
  if (network.has_from() && MessageDifferencer::Equals(network, parent.spec().network())) {
    *creation.mutable_spec()->mutable_network() = parent.resolved_spec().network();
  }
  if (!request.has_spec()) KeepDefaults(parent.resolved_spec(), *creation.mutable_spec());
  creation.set_job_id(request.job_id());
  creation.set_request_id(request.request_id());
  creation.set_view(request.view());
  return creation;
}

// Whether a message of the fork's spec is there and another than its parent's, both as they were written.
template <class Message>
bool SaysOther(bool given, const Message& now, const Message& before) {
  return given && !MessageDifferencer::Equals(now, before);
}

// The weights are the checkpoint's: what the fork says of its own about how they begin does nothing, and frozen ones
// are not random, as those of a new job would be.
void WarnOfBeginning(const v1::ForkJobRequest& request, const v1::JobSpec& parent, v1::Job& job) {
  auto& warnings = *job.mutable_warnings();
  warnings.erase(std::remove(warnings.begin(), warnings.end(), core::kFrozenAtRandom), warnings.end());
  const v1::JobSpec& spec = request.spec();
  if (SaysOther(spec.has_initial_weights(), spec.initial_weights(), parent.initial_weights()) ||
      SaysOther(spec.has_data_initialization(), spec.data_initialization(), parent.data_initialization())) {
    job.add_warnings("initial_weights and data_initialization do nothing: the weights are the checkpoint's");
  }
}

}  // namespace

absl::StatusOr<v1::Job> ExtendedJob(v1::Job job, const v1::ExtendJobRequest& request, const DataFolder& folder) {
  const auto newest = NewestManifest(folder, job);
  if (!newest.ok()) return newest.status();
  auto extended = core::ExtendSpec(job, request, *newest);
  if (!extended.ok()) return extended.status();
  *job.mutable_spec() = std::move(extended->spec);
  *job.mutable_resolved_spec() = std::move(extended->resolved_spec);
  job.mutable_progress()->set_total_steps(extended->total_steps);
  job.mutable_progress()->set_checkpoint_step(newest->step());
  for (std::string& warning : extended->warnings) job.add_warnings(std::move(warning));
  return job;
}

absl::StatusOr<JobManager::NewJob> AdmitFork(const v1::ForkJobRequest& request, JobStore& store,
                                             const DataFolder& folder, uint32_t max_threads, uint32_t default_threads,
                                             const core::StopCheck& stop) {
  const auto name = ParseWeightsName(request.name(), /*allow_job=*/true, "name");
  if (!name.ok()) return name.status();
  if (name->job.empty()) return FieldError("name", "must be a job or a checkpoint of one");
  const auto parent = store.GetJob(name->job);
  if (!parent.ok()) return parent.status();
  auto checkpoint = FindForkPoint(folder, *name);
  if (!checkpoint.ok()) return checkpoint.status();
  const v1::CreateJobRequest creation = CreationOf(request, parent->job);
  if (creation.spec().network().has_from()) {
    return FieldError("spec.network.from",
                      "does not go with a fork, whose weights are the checkpoint's: leave spec.network as the job's");
  }
  auto admitted = Admit(creation, folder, max_threads, default_threads, stop);
  if (!admitted.ok()) return admitted.status();

  v1::Job& job = admitted->job;
  const uint64_t step = checkpoint->manifest.step();
  job.set_forked_from(absl::StrCat(parent->job.name(), "/checkpoints/", step));
  WarnOfBeginning(request, parent->job.spec(), job);
  core::FieldErrors::Root errors;
  for (std::string& warning : core::CheckFork(job.resolved_spec(), job.progress().steps_per_epoch(), job.forked_from(),
                                              checkpoint->manifest, errors.scope("spec"))) {
    job.add_warnings(std::move(warning));
  }
  if (const v1::DataSpec& data = job.resolved_spec().data();
      !parent->job.has_trained_on() && (data.max_train_examples() > 0 || data.max_evaluation_examples() > 0)) {
    job.add_warnings(absl::StrCat("max_train_examples and max_evaluation_examples are samples; ", parent->job.name(),
                                  ", of an older version, read the first examples"));
  }
  if (job.resolved_spec().data().dataset() == parent->job.resolved_spec().data().dataset()) {
    const absl::Status same = CheckDataOf(parent->job, folder);
    if (!same.ok()) errors.scope("spec").At("data").At("dataset").Add(std::string(same.message()));
  } else if (parent->job.has_trained_on()) {
    std::string warning = OtherClasses(parent->job.trained_on(), job.trained_on());
    if (!warning.empty()) job.add_warnings(std::move(warning));
  }
  if (!errors.ok()) return errors.ToStatus();
  job.mutable_progress()->set_step(step);
  job.mutable_progress()->set_checkpoint_step(step);
  if (const auto best = core::BestStepNeeded(job.resolved_spec(), checkpoint->manifest); best.has_value()) {
    auto files = core::FindCheckpoint(folder.CheckpointDir(name->job), absl::StrCat(*best));
    if (files.ok()) admitted->checkpoints.push_back(*std::move(files));  // Else the worker says that it is missing.
  }
  admitted->checkpoints.push_back(*std::move(checkpoint));
  return admitted;
}

}  // namespace traind::server
