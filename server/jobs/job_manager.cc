// The calls of clients, but for the verbs (job_verbs.cc); job_supervisor.cc has what happens by itself.
#include "server/jobs/job_manager.h"

#include <algorithm>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "core/base/errors.h"
#include "core/base/labels.h"
#include "google/protobuf/util/time_util.h"
#include "server/resources/etag.h"
#include "server/resources/job_record.h"
#include "server/resources/job_state.h"
#include "server/resources/job_view.h"
#include "server/resources/names.h"
#include "server/resources/paging.h"
#include "server/resources/request_id.h"
#include "server/resources/update_mask.h"
#include "server/telemetry/log_scope.h"

namespace traind::server {
namespace {

std::string MadeUpId() {
  std::random_device random;
  return absl::StrFormat("job-%08x%04x", random(), random() & 0xffff);
}

const Collection& JobCollection() {
  static const Collection kCollection{
      .name = "jobs",
      .fields = {{v1::Job::descriptor(),
                  {"name", "uid", "state", "display_name", "labels", "dataset", "owner", "pinned", "priority",
                   "create_time", "start_time", "end_time", "update_time"}}},
      .default_order = "create_time desc",
      .newest_first = true};
  return kCollection;
}

google::protobuf::Timestamp Timestamp(absl::Time time) {
  return google::protobuf::util::TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(time));
}

}  // namespace

absl::StatusOr<v1::Job> JobManager::Create(const v1::CreateJobRequest& request, const Admission& admit,
                                           const Caller& caller) {
  v1::CreateJobRequest same = request;
  same.clear_request_id();
  same.clear_validate_only();
  same.clear_view();
  return Make({.method = "CreateJob",
               .request_id = RequestIdOf(caller, request.request_id()),
               .fingerprint = RequestFingerprint(same),
               .validate_only = request.validate_only(),
               .owner = caller.user},
              [&] { return admit(request); });
}

absl::StatusOr<v1::Job> JobManager::Make(const Creation& creation,
                                         const std::function<absl::StatusOr<NewJob>()>& admit) {
  auto earlier = FindEarlier(creation);
  if (!absl::IsNotFound(earlier.status())) return earlier;
  auto admitted = admit();
  if (!admitted.ok()) return admitted.status();
  v1::Job& job = admitted->job;
  job.set_owner(creation.owner);
  if (job.name().empty() && !creation.validate_only) job.set_name(absl::StrCat("jobs/", MadeUpId()));

  absl::MutexLock files(&files_mu_);
  earlier = FindEarlier(creation);  // It may have come twice at once.
  if (!absl::IsNotFound(earlier.status())) return earlier;
  if (absl::Status status = CheckNew(job); !status.ok()) return status;
  if (absl::Status status = CheckQuotaOf(job); !status.ok()) return status;
  if (creation.validate_only) return job;
  if (absl::Status status = CheckServing(); !status.ok()) return status;
  if (options_.check_room != nullptr) {
    if (absl::Status status = options_.check_room(); !status.ok()) return status;
  }
  if (absl::Status status = PlaceFiles(*admitted); !status.ok()) return status;
  return Enqueue(std::move(job), creation);
}

absl::StatusOr<v1::Job> JobManager::FindEarlier(const Creation& creation) {
  const absl::Status none = absl::NotFoundError("no job was created by this request");
  if (creation.request_id.empty()) return none;
  auto stored = store_->FindRequest(creation.request_id, absl::Now());
  if (!stored.ok()) return stored.status();
  if (!stored->has_value()) return none;
  if (absl::Status status = CheckRepeated(**stored, creation.method, creation.fingerprint); !status.ok()) return status;
  return Get(std::string(IdOf((*stored)->resource)));
}

absl::Status JobManager::CheckNew(const v1::Job& job) {
  if (absl::Status status = CheckFits(job.threads(), job.memory_bound_bytes(), capacity()); !status.ok()) {
    return status;
  }
  // The dataset was there when the job was admitted; while files_mu_ is held nothing removes it.
  const std::string& dataset = job.resolved_spec().data().dataset();
  if (auto id = ParseName("datasets", dataset, "spec.data.dataset"); !id.ok() || !folder_->Exists("datasets", *id)) {
    return FieldError("spec.data.dataset", absl::StrCat("there is no ", dataset));
  }
  const bool taken = !job.name().empty() && store_->GetJob(std::string(IdOf(job.name()))).ok();
  return taken ? AlreadyExistsError("Job", job.name()) : absl::OkStatus();
}

absl::Status JobManager::PlaceFiles(const NewJob& admitted) {
  const absl::string_view id = IdOf(admitted.job.name());
  // The files of a deleted job may be left over: the new one must not go on from its checkpoints.
  if (absl::Status status = folder_->Remove("jobs", id); !status.ok()) return status;
  if (!admitted.checkpoints.empty()) return PlaceCheckpoints(admitted.checkpoints, id);
  if (admitted.weights_file.empty()) return absl::OkStatus();
  if (!admitted.preprocessing_file.empty()) {
    const absl::Status kept = folder_->KeepInitialPreprocessing(admitted.preprocessing_file, id);
    if (!kept.ok()) return kept;
  }
  return folder_->KeepInitialWeights(admitted.weights_file, id);
}

absl::StatusOr<v1::Job> JobManager::Enqueue(v1::Job job, const Creation& creation) {
  job.set_state(v1::JOB_STATE_QUEUED);
  LogPosition position;
  v1::Event queued;
  queued.set_step(job.progress().step());
  queued.mutable_state()->set_state(v1::JOB_STATE_QUEUED);
  if (!job.forked_from().empty()) job.set_state_reason(absl::StrCat("forked from ", job.forked_from()));
  queued.mutable_state()->set_reason(job.state_reason());
  queued.mutable_state()->set_traceparent(CurrentLogFields().traceparent);
  auto events = Sequence({queued}, absl::Now(), nullptr, position);
  if (!events.ok()) return events.status();
  BeginRecord(job, events->front().time());
  job.set_last_sequence(position.last_sequence);
  const StoredRequest request{.request_id = creation.request_id,
                              .method = creation.method,
                              .resource = job.name(),
                              .uid = job.uid(),
                              .fingerprint = creation.fingerprint,
                              .create_time = absl::Now()};
  auto key = store_->CreateJob(job, *events, creation.request_id.empty() ? nullptr : &request);
  if (!key.ok()) return key.status();
  Count(v1::JOB_STATE_QUEUED, 1);

  auto live = std::make_shared<LiveJob>(*key, std::string(IdOf(job.name())));
  Describe(job, *live);
  {
    absl::MutexLock lock(&live->mu);
    live->job = job;
    live->position = std::move(position);
    live->restarts.reached = job.progress().step();
    log_->Publish(*key, *events);
  }
  MakeLive(live);
  return job;
}

absl::StatusOr<v1::Job> JobManager::Get(const std::string& id) {
  auto stored = store_->GetJob(id);
  if (!stored.ok()) return stored.status();
  if (HasWorker(stored->job.state())) {
    if (auto live = FindLive(id); live != nullptr) {
      v1::JobProgress& progress = *stored->job.mutable_progress();
      progress.set_step(std::max(progress.step(), live->heartbeat_step.load()));
    }
  }
  AddQueueStatus(stored->key, stored->job);
  return std::move(stored->job);
}

absl::StatusOr<v1::ListJobsResponse> JobManager::List(const v1::ListJobsRequest& request, const Caller& caller) {
  core::FieldErrors::Root errors;
  const ListQuery query = ListQuery::Parse(ListRequestOf(request), JobCollection(), errors.scope());
  CheckView(request.view(), errors.scope().At("view"));
  if (!errors.ok()) return errors.ToStatus();
  Page<v1::Job> page(query, caller);
  const auto add = [&](StoredJob stored) {
    AddQueueStatus(stored.key, stored.job);
    ApplyView(request.view(), v1::JOB_VIEW_BASIC, stored.job);
    const bool inside = page.Offer(std::move(stored.job), std::make_pair(stored.key, int32_t{0}));
    return inside || !query.own_order();
  };
  // In the store's own order the page before need not be read again.
  const auto* before = query.after_key() == nullptr ? nullptr : std::get_if<1>(query.after_key());
  v1::ListJobsResponse response;
  const auto damaged = [&](std::string name) {
    if (caller.IsAdmin()) *response.add_unreachable() = std::move(name);  // Whose it was cannot be read.
  };
  if (absl::Status status = store_->ListJobs(before == nullptr ? 0 : before->first, {}, add, damaged); !status.ok())
    return status;
  page.MoveTo(*response.mutable_jobs(), *response.mutable_next_page_token());
  return response;
}

absl::StatusOr<v1::Job> JobManager::Update(const v1::UpdateJobRequest& request) {
  core::FieldErrors::Root errors;
  const core::FieldErrors job_errors = errors.scope("job");
  CheckUpdateMask(request.update_mask(), {"display_name", "labels", "pinned", "priority", "sharing"},
                  errors.scope("update_mask"));
  core::CheckDisplayName(request.job().display_name(), job_errors.At("display_name"));
  core::CheckLabels(request.job().labels(), job_errors.At("labels"));
  CheckSharing(request.job().sharing(), job_errors.At("sharing"));
  if (!errors.ok()) return errors.ToStatus();
  auto id = ParseName("jobs", request.job().name(), "job.name");
  if (!id.ok()) return id.status();

  absl::MutexLock files(&files_mu_);
  if (const std::shared_ptr<LiveJob> live = FindLive(*id); live != nullptr) {
    absl::MutexLock lock(&live->mu);
    if (absl::Status status = Change(request, live->key, live->job); !status.ok()) return status;
    Wake();
    return live->job;
  }
  auto stored = store_->GetJob(*id);
  if (!stored.ok()) return stored.status();
  if (absl::Status status = Change(request, stored->key, stored->job); !status.ok()) return status;
  return std::move(stored->job);
}

absl::Status JobManager::Change(const v1::UpdateJobRequest& request, JobKey key, v1::Job& job) {
  if (absl::Status status = CheckEtag(request.job().etag(), job.etag(), job.name()); !status.ok()) return status;
  v1::Job changed = job;
  const auto& mask = request.update_mask();
  if (Updates(mask, "display_name")) changed.set_display_name(request.job().display_name());
  if (Updates(mask, "labels")) *changed.mutable_labels() = request.job().labels();
  if (Updates(mask, "sharing")) *changed.mutable_sharing() = request.job().sharing();
  if (Updates(mask, "pinned")) changed.set_pinned(request.job().pinned());
  if (Updates(mask, "priority")) changed.set_priority(request.job().priority());
  Touch(changed, Timestamp(absl::Now()));
  if (absl::Status status = store_->UpdateJob(key, changed, {}); !status.ok()) return status;
  job = std::move(changed);
  return absl::OkStatus();
}

absl::Status JobManager::WithJob(const std::string& id, const std::function<absl::Status(const v1::Job&)>& use) {
  absl::MutexLock files(&files_mu_);
  if (const std::shared_ptr<LiveJob> live = FindLive(id); live != nullptr) {
    absl::MutexLock lock(&live->mu);
    return use(live->job);
  }
  auto stored = store_->GetJob(id);
  return stored.ok() ? use(stored->job) : stored.status();
}

absl::Status JobManager::RemoveDataset(const std::string& dataset, const std::string& uid, bool force,
                                       const std::function<absl::Status()>& remove) {
  absl::MutexLock files(&files_mu_);
  for (const auto& [key, live] : live_jobs()) {
    absl::MutexLock lock(&live->mu);
    if (!IsTerminal(live->job.state()) && live->job.resolved_spec().data().dataset() == dataset) {
      return absl::FailedPreconditionError(absl::StrCat(live->job.name(), " needs ", dataset));
    }
  }
  const absl::Status traces = force ? absl::OkStatus() : CheckNoTraces(dataset, uid);
  return traces.ok() ? remove() : traces;
}

absl::Status JobManager::CheckNoTraces(const std::string& dataset, const std::string& uid) {
  constexpr size_t kNamed = 3;
  std::vector<std::string> jobs;
  size_t count = 0;
  const auto note = [&](const StoredJob& stored) {
    const v1::Job& job = stored.job;
    if (job.resolved_spec().data().dataset() != dataset) return true;
    if (job.has_trained_on() && !uid.empty() && job.trained_on().uid() != uid) return true;  // On one of before.
    if (++count <= kNamed) jobs.push_back(job.name());
    return true;
  };
  if (absl::Status status = store_->ListJobs(0, {}, note); !status.ok()) return status;
  if (count == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      dataset, " is what ", absl::StrJoin(jobs, ", "),
      count > kNamed ? absl::StrCat(" and ", count - kNamed, " more") : "", count == 1 ? " was" : " were",
      " trained on: without it ", count == 1 ? "it" : "they",
      " cannot be evaluated on it, resumed, extended or forked; `force` (--force) deletes it all the same"));
}

void JobManager::AddQueueStatus(JobKey key, v1::Job& job) {
  if (job.state() != v1::JOB_STATE_QUEUED && !HasWorker(job.state())) return;
  if (const std::string waits = WhatItWaitsFor(key); !waits.empty()) {
    job.mutable_queue()->set_reason(waits);
    if (HasWorker(job.state())) job.set_state_reason(waits);
    return;
  }
  if (job.state() != v1::JOB_STATE_QUEUED) return;
  if (auto status = queue_.Find(key); status.has_value()) *job.mutable_queue() = *std::move(status);
}

std::string JobManager::WhatItWaitsFor(JobKey key) {
  absl::MutexLock lock(&mu_);
  const auto live = live_.find(key);
  return live == live_.end() ? "" : live->second->standing.Text(absl::Now());
}

std::shared_ptr<JobManager::LiveJob> JobManager::FindLive(const std::string& id) {
  absl::MutexLock lock(&mu_);
  for (const auto& [key, live] : live_) {
    if (live->id == id) return live;
  }
  return nullptr;
}

JobManager::LiveJobs JobManager::live_jobs() {
  absl::MutexLock lock(&mu_);
  return live_;
}

void JobManager::Forget(LiveJob& live) {
  live.forgotten = true;
  absl::MutexLock lock(&mu_);
  live_.erase(live.key);
  changed_ = true;
}

void JobManager::MakeLive(const std::shared_ptr<LiveJob>& live) {
  absl::MutexLock lock(&mu_);
  live_.emplace(live->key, live);
  changed_ = true;
}

void JobManager::Wake() {
  absl::MutexLock lock(&mu_);
  changed_ = true;
}

bool JobManager::shutting_down() {
  absl::MutexLock lock(&mu_);
  return shutting_down_;
}

absl::Status JobManager::CheckServing() {
  return shutting_down() ? absl::UnavailableError("the server is shutting down") : absl::OkStatus();
}

}  // namespace traind::server
