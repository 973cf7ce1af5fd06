// The calls of clients; job_supervisor.cc has what happens by itself.
#include "server/jobs/job_manager.h"

#include <algorithm>
#include <random>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "core/base/enum_name.h"
#include "core/base/errors.h"
#include "google/protobuf/util/message_differencer.h"
#include "server/resources/job_state.h"
#include "server/resources/names.h"
#include "server/resources/paging.h"

namespace traind::server {
namespace {

// Specs may be large; a page has to fit the 4 MiB that clients take by default.
constexpr size_t kMaxPageBytes = 3 << 20;

std::string MadeUpId() {
  std::random_device random;
  return absl::StrFormat("job-%08x%04x", random(), random() & 0xffff);
}

absl::Status ShuttingDown() { return absl::UnavailableError("the server is shutting down"); }

// A page token: where to go on, and the filter it belongs to.
uint64_t StatesMask(const v1::ListJobsRequest& request) {
  uint64_t mask = 0;
  for (int state : request.states()) mask |= uint64_t{1} << state;
  return mask;
}
std::string MakeToken(JobKey before, uint64_t mask) { return absl::StrFormat("%x-%x", before, mask); }
bool ParseToken(const std::string& token, uint64_t mask, JobKey* before) {
  const std::vector<std::string> parts = absl::StrSplit(token, '-');
  uint64_t key = 0;
  if (parts.size() != 2 || !absl::SimpleHexAtoi(parts[0], &key)) return false;
  *before = static_cast<JobKey>(key);
  return *before > 0 && MakeToken(*before, mask) == token;
}

}  // namespace

absl::StatusOr<v1::Job> JobManager::Create(const v1::CreateJobRequest& request, const Admission& admit) {
  auto earlier = FindEarlier(request);
  if (!absl::IsNotFound(earlier.status())) return earlier;
  auto admitted = admit(request);
  if (!admitted.ok()) return admitted.status();
  v1::Job& job = admitted->job;
  if (job.name().empty() && !request.validate_only()) job.set_name(absl::StrCat("jobs/", MadeUpId()));

  absl::MutexLock files(&files_mu_);
  earlier = FindEarlier(request);  // It may have come twice at once.
  if (!absl::IsNotFound(earlier.status())) return earlier;
  if (absl::Status status = CheckNew(job); !status.ok()) return status;
  if (request.validate_only()) return job;
  if (shutting_down()) return ShuttingDown();
  if (absl::Status status = PlaceFiles(*admitted); !status.ok()) return status;
  return Enqueue(std::move(job));
}

absl::StatusOr<v1::Job> JobManager::FindEarlier(const v1::CreateJobRequest& request) {
  const absl::Status none = absl::NotFoundError("no job was created by this request");
  if (request.request_id().empty()) return none;
  auto id = store_->FindRequest(request.request_id());
  if (!id.ok()) return id.status();
  if (!id->has_value()) return none;
  auto job = Get(**id);
  if (job.ok() && !google::protobuf::util::MessageDifferencer::Equals(job->spec(), request.spec())) {
    return FieldError("request_id", absl::StrCat("was used before, for ", job->name(), " with another spec"));
  }
  return job;
}

absl::Status JobManager::CheckNew(const v1::Job& job) {
  if (absl::Status status = CheckFits(job.threads(), job.memory_bound_bytes(), options_.capacity); !status.ok()) {
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
  if (admitted.weights_file.empty()) return absl::OkStatus();
  return folder_->KeepInitialWeights(admitted.weights_file, id);
}

absl::StatusOr<v1::Job> JobManager::Enqueue(v1::Job job) {
  job.set_state(v1::JOB_STATE_QUEUED);
  LogPosition position;
  v1::Event queued;
  queued.mutable_state()->set_state(v1::JOB_STATE_QUEUED);
  auto events = Sequence({queued}, absl::Now(), nullptr, position);
  if (!events.ok()) return events.status();
  *job.mutable_create_time() = events->front().time();
  job.set_last_sequence(position.last_sequence);
  auto key = store_->CreateJob(job, *events);
  if (!key.ok()) return key.status();

  auto live = std::make_shared<LiveJob>(*key, std::string(IdOf(job.name())));
  {
    absl::MutexLock lock(&live->mu);
    live->job = job;
    live->position = std::move(position);
    log_->Publish(*key, *events);
  }
  absl::MutexLock lock(&mu_);
  live_.emplace(*key, std::move(live));
  changed_ = true;
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
  return std::move(stored->job);
}

absl::StatusOr<v1::ListJobsResponse> JobManager::List(const v1::ListJobsRequest& request) {
  core::FieldErrors::Root errors;
  CheckPageSize(request.page_size(), errors.scope());
  std::vector<v1::JobState> states;
  for (int i = 0; i < request.states_size(); ++i) {
    if (!v1::JobState_IsValid(request.states(i)) || request.states(i) == v1::JOB_STATE_UNSPECIFIED) {
      errors.scope().At("states", i).Add("is not a state of a job");
      continue;
    }
    states.push_back(request.states(i));
  }
  JobKey before = 0;
  if (errors.ok() && !request.page_token().empty() && !ParseToken(request.page_token(), StatesMask(request), &before)) {
    errors.scope().At("page_token").Add("is not the next_page_token of a response to the same filter");
  }
  if (!errors.ok()) return errors.ToStatus();

  const int size = PageSize(request.page_size());
  v1::ListJobsResponse response;
  const auto add = [&](StoredJob stored) {
    stored.job.clear_resolved_spec();
    const bool fits =
        response.jobs_size() < size && response.ByteSizeLong() + stored.job.ByteSizeLong() <= kMaxPageBytes;
    if (response.jobs_size() > 0 && !fits) {
      response.set_next_page_token(MakeToken(before, StatesMask(request)));
      return false;
    }
    before = stored.key;
    *response.add_jobs() = std::move(stored.job);
    return true;
  };
  if (absl::Status status = store_->ListJobs(before, states, add); !status.ok()) return status;
  return response;
}

absl::StatusOr<v1::Job> JobManager::Cancel(const std::string& id) {
  if (shutting_down()) return ShuttingDown();
  std::shared_ptr<LiveJob> live = FindLive(id);
  if (live == nullptr) {
    absl::MutexLock files(&files_mu_);  // The job may be about to become live.
    live = FindLive(id);
  }
  if (live == nullptr) {
    auto stored = store_->GetJob(id);
    if (!stored.ok()) return stored.status();
    if (stored->job.state() == v1::JOB_STATE_CANCELLED) return std::move(stored->job);
    return absl::FailedPreconditionError(
        absl::StrCat(stored->job.name(), " is ", core::EnumName(stored->job.state()), " already"));
  }
  absl::MutexLock lock(&live->mu);
  switch (live->job.state()) {
    case v1::JOB_STATE_QUEUED:
      if (absl::Status status = Move(*live, v1::JOB_STATE_CANCELLED, "cancelled by a client"); !status.ok())
        return status;
      Forget(live->key);
      break;
    case v1::JOB_STATE_RUNNING:
      if (absl::Status status = Move(*live, v1::JOB_STATE_CANCELLING, "cancelled by a client"); !status.ok())
        return status;
      if (live->worker != nullptr) live->worker->Stop(internal::Stop::REASON_CANCEL);
      break;
    case v1::JOB_STATE_CANCELLING:
    case v1::JOB_STATE_CANCELLED:
      break;
    default:
      return absl::FailedPreconditionError(
          absl::StrCat(live->job.name(), " is ", core::EnumName(live->job.state()), " already"));
  }
  return live->job;
}

absl::Status JobManager::Delete(const std::string& id) {
  absl::MutexLock files(&files_mu_);
  auto stored = store_->GetJob(id);
  if (!stored.ok()) return stored.status();
  if (!IsTerminal(stored->job.state())) {
    return absl::FailedPreconditionError(absl::StrCat(stored->job.name(), " is ", core::EnumName(stored->job.state()),
                                                      "; cancel it and wait for its end first"));
  }
  // Rows first: a crash in between leaves files without a job, which the next start removes.
  if (absl::Status status = store_->DeleteJob(stored->key); !status.ok()) return status;
  log_->Remove(stored->key);
  return folder_->Remove("jobs", id);
}

absl::Status JobManager::RemoveDataset(const std::string& dataset, const std::function<absl::Status()>& remove) {
  absl::MutexLock files(&files_mu_);
  for (const auto& [key, live] : live_jobs()) {
    absl::MutexLock lock(&live->mu);
    if (!IsTerminal(live->job.state()) && live->job.resolved_spec().data().dataset() == dataset) {
      return absl::FailedPreconditionError(absl::StrCat(live->job.name(), " needs ", dataset));
    }
  }
  return remove();
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

void JobManager::Forget(JobKey key) {
  absl::MutexLock lock(&mu_);
  live_.erase(key);
  changed_ = true;
}

bool JobManager::shutting_down() {
  absl::MutexLock lock(&mu_);
  return shutting_down_;
}

}  // namespace traind::server
