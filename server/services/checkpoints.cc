#include "server/services/checkpoints.h"

#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "core/base/enum_name.h"
#include "core/base/errors.h"
#include "core/base/evaluation_metric.h"
#include "core/base/uid.h"
#include "core/checkpoint/checkpoint_dir.h"
#include "server/resources/etag.h"
#include "server/resources/job_state.h"
#include "server/resources/names.h"
#include "server/resources/paging.h"

namespace traind::server {
namespace {

const Collection& CheckpointCollection() {
  static const Collection kCollection{.name = "checkpoints",
                                      .fields = {{v1::Checkpoint::descriptor(),
                                                  {"step", "best", "size_bytes", "evaluation_loss",
                                                   "evaluation_accuracy", "best_metric_value", "create_time"}}},
                                      .default_order = "step"};
  return kCollection;
}

// `best` is the step of the job's best checkpoint, or -1.
v1::Checkpoint ToCheckpoint(const v1::Job& job, const v1::CheckpointManifest& manifest, int64_t best) {
  v1::Checkpoint checkpoint;
  checkpoint.set_name(absl::StrCat(job.name(), "/checkpoints/", manifest.step()));
  checkpoint.set_step(manifest.step());
  *checkpoint.mutable_create_time() = manifest.create_time();
  *checkpoint.mutable_update_time() = manifest.create_time();
  for (const v1::CheckpointFile& file : manifest.files()) {
    checkpoint.set_size_bytes(checkpoint.size_bytes() + file.size_bytes());
  }
  if (manifest.has_evaluation_loss()) checkpoint.set_evaluation_loss(manifest.evaluation_loss());
  if (manifest.has_evaluation_accuracy()) checkpoint.set_evaluation_accuracy(manifest.evaluation_accuracy());
  const std::string& metric = manifest.spec().checkpoint().best_metric();
  checkpoint.set_best_metric(metric.empty() ? "loss" : metric);
  if (const auto value = core::MetricOf(manifest); value.has_value()) checkpoint.set_best_metric_value(*value);
  // A job that was resumed may write the checkpoint of a step anew: then it is another one.
  checkpoint.set_uid(core::DerivedUid(absl::StrCat(
      job.uid(), " ", manifest.step(), " ", manifest.create_time().seconds(), ".", manifest.create_time().nanos())));
  checkpoint.set_etag(EtagOf(checkpoint));  // Before `best`, which later ones decide.
  checkpoint.set_best(best >= 0 && manifest.step() == static_cast<uint64_t>(best));
  return checkpoint;
}

// Whether the job may still need the checkpoint for itself. `newest`: it has none after it.
absl::Status CheckNotNeeded(const v1::Job& job, const v1::Checkpoint& checkpoint, bool newest) {
  if (IsTerminal(job.state())) return absl::OkStatus();
  const std::string state = absl::StrCat(job.name(), " is ", core::EnumName(job.state()));
  if (newest) {
    return absl::FailedPreconditionError(
        absl::StrCat(state, " and would go on from ", checkpoint.name(), ", its newest one"));
  }
  if (job.resolved_spec().early_stopping().restore_best()) {
    return absl::FailedPreconditionError(
        absl::StrCat(state, " and may end with the weights of any of its checkpoints (early_stopping.restore_best)"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<v1::Checkpoint> Checkpoints::Get(const std::string& name) const {
  auto parsed = ParseWeightsName(name, /*allow_job=*/false, "name");
  if (!parsed.ok()) return parsed.status();
  if (parsed->job.empty()) return FieldError("name", "must be \"jobs/{id}/checkpoints/{step}\"");
  auto job = store_->GetJob(parsed->job);
  if (!job.ok()) return job.status();
  const std::string dir = folder_->CheckpointDir(parsed->job);
  auto files = core::FindCheckpoint(dir, parsed->checkpoint);
  if (absl::IsNotFound(files.status())) return NotFoundError("Checkpoint", name, files.status().message());
  if (!files.ok()) return files.status();
  auto best = core::BestStep(dir);
  if (!best.ok()) return best.status();
  return ToCheckpoint(job->job, files->manifest, *best);
}

absl::StatusOr<v1::ListCheckpointsResponse> Checkpoints::List(const v1::ListCheckpointsRequest& request) const {
  core::FieldErrors::Root errors;
  const ListQuery query = ListQuery::Parse(ListRequestOf(request), CheckpointCollection(), errors.scope());
  if (!errors.ok()) return errors.ToStatus();
  auto id = ParseName("jobs", request.parent(), "parent");
  if (!id.ok()) return id.status();
  auto job = store_->GetJob(*id);
  if (!job.ok()) return job.status();
  const std::string dir = folder_->CheckpointDir(*id);
  auto checkpoints = core::ListCheckpoints(dir);
  if (!checkpoints.ok()) return checkpoints.status();
  auto best = core::BestStep(dir);
  if (!best.ok()) return best.status();
  Page<v1::Checkpoint> page(query);
  for (const core::CheckpointFiles& files : *checkpoints) {
    page.Offer(ToCheckpoint(job->job, files.manifest, *best),
               std::make_pair(static_cast<int64_t>(files.manifest.step()), int32_t{0}));
  }
  v1::ListCheckpointsResponse response;
  page.MoveTo(*response.mutable_checkpoints(), *response.mutable_next_page_token());
  return response;
}

absl::Status Checkpoints::Delete(const v1::DeleteCheckpointRequest& request, const CheckUnused& check) const {
  auto parsed = ParseWeightsName(request.name(), /*allow_job=*/false, "name");
  if (!parsed.ok()) return parsed.status();
  uint64_t step = 0;
  if (parsed->job.empty() || !absl::SimpleAtoi(parsed->checkpoint, &step)) {
    return FieldError("name", "must be \"jobs/{id}/checkpoints/{step}\" with the step in digits");
  }
  return jobs_->WithJob(parsed->job, [&](const v1::Job& job) -> absl::Status {
    auto checkpoint = Get(request.name());
    if (!checkpoint.ok()) return checkpoint.status();
    const std::string dir = folder_->CheckpointDir(parsed->job);
    auto newest = core::FindCheckpoint(dir, "latest");
    if (!newest.ok()) return newest.status();
    absl::Status status = CheckEtag(request.etag(), checkpoint->etag(), checkpoint->name());
    if (status.ok()) status = CheckNotNeeded(job, *checkpoint, newest->manifest.step() == step);
    if (status.ok()) status = check(checkpoint->name());
    if (status.ok() && checkpoint->best()) status = core::RememberDeletedBest(dir, step);
    auto files = core::FindCheckpoint(dir, parsed->checkpoint);
    if (status.ok()) status = files.status();
    return status.ok() ? folder_->RemoveFolder(files->dir) : status;
  });
}

}  // namespace traind::server
