// What people ask of sweeps; sweep_supervisor.cc has what happens by itself, sweep_clients.cc ask and tell.
#include "server/sweeps/sweep_manager.h"

#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/base/enum_name.h"
#include "core/base/errors.h"
#include "core/base/labels.h"
#include "core/base/uid.h"
#include "server/resources/etag.h"
#include "server/resources/names.h"
#include "server/resources/quota.h"
#include "server/resources/request_id.h"
#include "server/resources/update_mask.h"
#include "server/sweeps/sweep_check.h"
#include "spdlog/spdlog.h"

namespace traind::server {
namespace {

constexpr char kCreateSweep[] = "CreateSweep";

std::string MadeUpSweepId() {
  std::random_device random;
  return absl::StrFormat("sweep-%08x%04x", random(), random() & 0xffff);
}

bool IsSweepTerminal(v1::SweepState state) {
  return state == v1::SWEEP_STATE_SUCCEEDED || state == v1::SWEEP_STATE_FAILED || state == v1::SWEEP_STATE_CANCELLED;
}

absl::Status NotNow(const v1::Sweep& sweep, v1::SweepState state, absl::string_view instead) {
  return absl::FailedPreconditionError(
      absl::StrCat(sweep.name(), " is ", core::EnumName(state), ": ", std::string(instead)));
}

}  // namespace

absl::StatusOr<std::unique_ptr<SweepManager>> SweepManager::Start(const Options& options, SweepStore* store,
                                                                  JobStore* requests, TrialJobs* jobs) {
  auto manager = std::unique_ptr<SweepManager>(new SweepManager(options, store, requests, jobs));
  if (absl::Status status = manager->Recover(); !status.ok()) return status;
  if (options.supervise) manager->supervisor_ = std::thread([raw = manager.get()] { raw->Supervise(); });
  return manager;
}

SweepManager::~SweepManager() { Shutdown(); }

void SweepManager::Shutdown() {
  {
    absl::MutexLock lock(&mu_);
    quit_ = true;
  }
  if (supervisor_.joinable()) supervisor_.join();
}

absl::Status SweepManager::Recover() {
  absl::MutexLock lock(&mu_);
  std::vector<std::string> ids;
  const auto add = [&](const StoredSweep& stored) {
    if (!IsSweepTerminal(stored.sweep.state())) ids.emplace_back(IdOf(stored.sweep.name()));
    return true;
  };
  const auto damaged = [](const std::string& name) {
    spdlog::error("the record of {} is damaged: it is passed over until somebody deletes it", name);
  };
  if (absl::Status status = store_->List(0, add, damaged); !status.ok()) return status;
  for (const std::string& id : ids) {
    auto live = Load(id);
    if (live.ok()) {
      live_[id] = *std::move(live);
    } else if (absl::IsDataLoss(live.status())) {
      spdlog::error("sweeps/{} does not go on: {}", id, std::string(live.status().message()));
    } else {
      return live.status();
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<SweepManager::LivePtr> SweepManager::Load(const std::string& id) {
  auto stored = store_->Get(id);
  if (!stored.ok()) return stored.status();
  auto live = std::make_shared<Live>(stored->key, std::move(stored->sweep));
  const auto entries = store_->ReadEntries(live->key);
  if (!entries.ok()) return entries.status();
  for (const v1::SweepEntry& entry : *entries) {
    if (absl::Status status = live->search.Apply(entry); !status.ok()) return status;
  }
  return live;
}

absl::StatusOr<SweepManager::LivePtr> SweepManager::Find(const std::string& id) {
  const auto found = live_.find(id);
  if (found != live_.end()) return found->second;
  return Load(id);
}

absl::Status SweepManager::Append(Live& live, v1::SweepEntry entry) {
  entry.set_sequence(live.search.last_sequence() + 1);
  *entry.mutable_time() = Stamp();
  if (absl::Status status = live.search.Check(entry); !status.ok()) return absl::InternalError(status.message());
  v1::Sweep record = live.record;
  if (entry.has_turn()) {
    record.set_state(entry.turn().state());
    record.set_state_reason(entry.turn().reason());
    *record.mutable_update_time() = entry.time();
    record.clear_end_time();
    record.clear_summary();
    record.clear_last_sequence();
    if (IsSweepTerminal(entry.turn().state())) {
      *record.mutable_end_time() = entry.time();
      Live ended = live;  // With the summary nobody has to read the log to show it.
      if (absl::Status status = ended.search.Apply(entry); !status.ok()) return status;
      ended.seen.clear();
      *record.mutable_summary() = SummaryOf(ended);
      record.set_last_sequence(entry.sequence());
    }
  }
  const absl::Status stored = store_->Append(live.key, entry, entry.has_turn() ? &record : nullptr);
  if (!stored.ok()) return stored;
  live.record = std::move(record);
  return live.search.Apply(entry);
}

absl::Status SweepManager::Turn(Live& live, v1::SweepState state, std::string reason, v1::SweepState ends_as) {
  v1::SweepEntry entry;
  entry.mutable_turn()->set_state(state);
  entry.mutable_turn()->set_reason(std::move(reason));
  entry.mutable_turn()->set_ends_as(ends_as);
  return Append(live, std::move(entry));
}

absl::StatusOr<v1::Sweep> SweepManager::FindEarlier(const std::string& known_as, const std::string& fingerprint) {
  const absl::Status none = absl::NotFoundError("no sweep was created by this request");
  if (known_as.empty()) return none;
  const auto made = store_->FindRequest(known_as);
  if (!made.ok()) return made.status();
  if (made->has_value()) {
    const StoredRequest stored{.request_id = known_as,
                               .method = kCreateSweep,
                               .resource = absl::StrCat("sweeps/", (*made)->id),
                               .uid = "",
                               .fingerprint = (*made)->fingerprint};
    if (absl::Status status = CheckRepeated(stored, kCreateSweep, fingerprint); !status.ok()) return status;
    const auto live = Find((*made)->id);
    if (!live.ok()) return live.status();
    return Public(**live);
  }
  if (requests_ == nullptr) return none;
  const auto stored = requests_->FindRequest(known_as, options_.now());
  if (!stored.ok()) return stored.status();
  if (!stored->has_value()) return none;
  absl::Status status = CheckRepeated(**stored, kCreateSweep, fingerprint);
  return status.ok() ? none : status;
}

// A sweep of the same id may have left its jobs.
absl::Status SweepManager::CheckJobsAreFree(const v1::Sweep& sweep) {
  if (sweep.name().empty() || sweep.spec().trained_by_clients()) return absl::OkStatus();
  for (uint32_t number = 1; number <= sweep.spec().budget().max_trials(); ++number) {
    const std::string id = TrialJobId(sweep, number);
    const auto job = jobs_->Get(id);
    if (absl::IsNotFound(job.status())) continue;
    if (!job.ok() && !absl::IsDataLoss(job.status())) return job.status();
    return AlreadyExistsError(
        "Job", absl::StrCat("jobs/", id),
        absl::StrCat("exists already, and trial ", number, " would be it: choose another sweep_id, or delete it"));
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::Sweep> SweepManager::Create(const v1::CreateSweepRequest& request, const Caller& caller,
                                               const core::StopCheck& stop) {
  v1::CreateSweepRequest same = request;
  same.clear_request_id();
  same.clear_validate_only();
  const std::string fingerprint = RequestFingerprint(same);
  const std::string known_as = RequestIdOf(caller, request.request_id());
  {
    absl::MutexLock lock(&mu_);
    auto earlier = FindEarlier(known_as, fingerprint);
    if (!absl::IsNotFound(earlier.status())) return earlier;
  }
  auto admitted = AdmitSweep(request, caller.user, *jobs_, stop);
  if (!admitted.ok()) return admitted.status();
  const absl::Status free = CheckJobsAreFree(*admitted);
  absl::MutexLock lock(&mu_);
  auto earlier = FindEarlier(known_as, fingerprint);  // It may have come twice at once.
  if (!absl::IsNotFound(earlier.status())) return earlier;
  v1::Sweep& sweep = *admitted;
  if (!sweep.name().empty() && store_->KeyOf(std::string(IdOf(sweep.name()))).ok()) {
    return AlreadyExistsError("Sweep", sweep.name());
  }
  if (!free.ok()) return free;
  const auto count = store_->Count();
  if (!count.ok()) return count.status();
  if (static_cast<size_t>(*count) >= options_.max_sweeps) {
    return QuotaError("server", absl::StrCat("there are ", *count, " sweeps, as many as the server keeps: delete one"));
  }
  if (live_.size() >= options_.max_live) {
    return QuotaError("server",
                      absl::StrCat(live_.size(), " sweeps are under way, as many as the server runs: wait for ",
                                   "one of them, or stop one"));
  }
  if (request.validate_only()) {
    *sweep.mutable_summary() = SummaryOf(Live(0, sweep));
    return sweep;
  }
  if (sweep.name().empty()) sweep.set_name(absl::StrCat("sweeps/", MadeUpSweepId()));
  sweep.set_uid(core::NewUid());
  *sweep.mutable_create_time() = Stamp();
  *sweep.mutable_update_time() = sweep.create_time();
  const auto key = store_->Create(sweep, {.request_id = known_as, .fingerprint = fingerprint});
  if (!key.ok()) return key.status();
  const auto live = std::make_shared<Live>(*key, sweep);
  live_[std::string(IdOf(sweep.name()))] = live;
  changed_ = true;
  spdlog::info("{} is RUNNING", sweep.name());
  return Public(*live);
}

absl::StatusOr<v1::Sweep> SweepManager::Update(const v1::UpdateSweepRequest& request) {
  core::FieldErrors::Root errors;
  const core::FieldErrors at = errors.scope("sweep");
  CheckUpdateMask(request.update_mask(), {"display_name", "labels", "sharing"}, errors.scope("update_mask"));
  core::CheckDisplayName(request.sweep().display_name(), at.At("display_name"));
  core::CheckLabels(request.sweep().labels(), at.At("labels"));
  CheckSharing(request.sweep().sharing(), at.At("sharing"));
  if (!errors.ok()) return errors.ToStatus();
  const auto id = ParseName("sweeps", request.sweep().name(), "sweep.name");
  if (!id.ok()) return id.status();
  const bool shares = Updates(request.update_mask(), "sharing");
  size_t trials = 0;
  const auto changed = Steer(*id, request.sweep().etag(), [&](Live& live) ABSL_NO_THREAD_SAFETY_ANALYSIS {
    v1::Sweep record = live.record;
    const auto& mask = request.update_mask();
    if (Updates(mask, "display_name")) record.set_display_name(request.sweep().display_name());
    if (Updates(mask, "labels")) *record.mutable_labels() = request.sweep().labels();
    if (shares) *record.mutable_sharing() = request.sweep().sharing();
    *record.mutable_update_time() = Stamp();
    if (absl::Status status = store_->Update(live.key, record); !status.ok()) return status;
    live.record = std::move(record);
    trials = live.search.trials().size();
    return absl::OkStatus();
  });
  if (!changed.ok() || !shares || changed->spec().trained_by_clients()) return changed;
  for (uint32_t number = 1; number <= trials; ++number) {
    const std::string job_id = TrialJobId(*changed, number);
    const auto job = jobs_->Get(job_id);
    if (!job.ok() || !IsJobOf(*job, *changed, number)) continue;
    if (absl::Status status = jobs_->Share(job_id, request.sweep().sharing()); !status.ok()) {
      return absl::Status(status.code(), absl::StrCat("the sweep is shared now, jobs/", job_id,
                                                      " and those behind it not: ", status.message()));
    }
  }
  return changed;
}

absl::StatusOr<v1::Sweep> SweepManager::Steer(const std::string& id, const std::string& etag,
                                              const std::function<absl::Status(Live&)>& change) {
  absl::MutexLock lock(&mu_);
  const auto live = Find(id);
  if (!live.ok()) return live.status();
  const absl::Status same = CheckEtag(etag, Public(**live).etag(), (*live)->record.name());
  if (!same.ok()) return same;
  if (absl::Status status = change(**live); !status.ok()) return status;
  changed_ = true;
  return Public(**live);
}

absl::StatusOr<v1::Sweep> SweepManager::Pause(const std::string& id, const std::string& etag) {
  return Steer(id, etag, [this](Live& live) ABSL_NO_THREAD_SAFETY_ANALYSIS {
    const v1::SweepState state = live.search.state();
    if (state == v1::SWEEP_STATE_PAUSED) return absl::OkStatus();
    if (state != v1::SWEEP_STATE_RUNNING) return NotNow(live.record, state, "only a RUNNING one can be paused");
    return Turn(live, v1::SWEEP_STATE_PAUSED, "paused by a client");
  });
}

absl::StatusOr<v1::Sweep> SweepManager::Resume(const std::string& id, const std::string& etag) {
  return Steer(id, etag, [this](Live& live) ABSL_NO_THREAD_SAFETY_ANALYSIS {
    const v1::SweepState state = live.search.state();
    if (state == v1::SWEEP_STATE_RUNNING) return absl::OkStatus();
    if (state != v1::SWEEP_STATE_PAUSED) return NotNow(live.record, state, "only a PAUSED one can go on");
    return Turn(live, v1::SWEEP_STATE_RUNNING, "resumed by a client");
  });
}

absl::StatusOr<v1::Sweep> SweepManager::Stop(const std::string& id, const std::string& etag) {
  return Steer(id, etag, [this](Live& live) ABSL_NO_THREAD_SAFETY_ANALYSIS {
    const v1::SweepState state = live.search.state();
    if (state == v1::SWEEP_STATE_STOPPING || state == v1::SWEEP_STATE_SUCCEEDED) return absl::OkStatus();
    if (state != v1::SWEEP_STATE_RUNNING && state != v1::SWEEP_STATE_PAUSED) {
      return NotNow(live.record, state, "it cannot be stopped any more");
    }
    return Turn(live, v1::SWEEP_STATE_STOPPING, "stopped by a client", v1::SWEEP_STATE_SUCCEEDED);
  });
}

absl::StatusOr<v1::Sweep> SweepManager::Cancel(const std::string& id, const std::string& etag) {
  return Steer(id, etag, [this](Live& live) ABSL_NO_THREAD_SAFETY_ANALYSIS {
    const v1::SweepState state = live.search.state();
    if (state == v1::SWEEP_STATE_CANCELLING || state == v1::SWEEP_STATE_CANCELLED) return absl::OkStatus();
    if (IsSweepTerminal(state)) return NotNow(live.record, state, "it has ended");
    return Turn(live, v1::SWEEP_STATE_CANCELLING, "cancelled by a client");
  });
}

absl::Status SweepManager::Delete(const v1::DeleteSweepRequest& request, const std::string& id) {
  LivePtr sweep;
  {
    absl::MutexLock lock(&mu_);
    auto found = Find(id);
    if (absl::IsDataLoss(found.status())) {  // Whatever it was: it can be deleted.
      const auto key = store_->KeyOf(id);
      return key.ok() ? store_->Delete(*key) : key.status();
    }
    if (!found.ok()) return found.status();
    sweep = *std::move(found);
    const v1::Sweep shown = Public(*sweep);
    if (absl::Status status = CheckEtag(request.etag(), shown.etag(), shown.name()); !status.ok()) return status;
    if (!IsSweepTerminal(shown.state()) || live_.count(id) > 0) {
      return NotNow(shown, shown.state(), "stop or cancel it and wait for its end first");
    }
  }
  const size_t trials = sweep->record.spec().trained_by_clients() ? 0 : sweep->search.trials().size();
  for (uint32_t number = 1; request.delete_jobs() && number <= trials; ++number) {
    const std::string job_id = TrialJobId(sweep->record, number);
    const auto job = jobs_->Get(job_id);
    if (!job.ok() || !IsJobOf(*job, sweep->record, number) || job->pinned()) continue;
    const absl::Status removed = jobs_->Delete(job_id);
    if (!removed.ok() && !absl::IsNotFound(removed)) return removed;
  }
  absl::MutexLock lock(&mu_);
  if (live_.count(id) > 0) return NotNow(sweep->record, v1::SWEEP_STATE_RUNNING, "somebody runs it again");
  const std::string& request_id = sweep->record.request_id();
  if (requests_ != nullptr && !request_id.empty()) {
    const Caller owner{.user = sweep->record.owner(), .role = v1::ROLE_USER};
    const std::string known_as = RequestIdOf(owner, request_id);
    const absl::Status put = requests_->PutRequest({.request_id = known_as,
                                                    .method = kCreateSweep,
                                                    .resource = sweep->record.name(),
                                                    .uid = sweep->record.uid(),
                                                    .fingerprint = "",
                                                    .create_time = options_.now(),
                                                    .delete_time = options_.now()});
    if (!put.ok() && !absl::IsAlreadyExists(put)) return put;
  }
  return store_->Delete(sweep->key);
}

absl::StatusOr<v1::Trial> SweepManager::RerunTrial(const std::string& id, const std::string& number) {
  {
    absl::MutexLock lock(&mu_);
    auto live = Find(id);
    if (!live.ok()) return live.status();
    uint32_t wanted = 0;
    const core::SearchTrial* trial = absl::SimpleAtoi(number, &wanted) ? (*live)->search.Find(wanted) : nullptr;
    if (trial == nullptr) return NotFoundError("Trial", absl::StrCat("sweeps/", id, "/trials/", number));
    if (trial->state != v1::TRIAL_STATE_FAILED && trial->state != v1::TRIAL_STATE_CANCELLED) {
      return absl::FailedPreconditionError(absl::StrCat("the trial is ", core::EnumName(trial->state),
                                                        ": only a FAILED or CANCELLED one can be run again"));
    }
    const v1::SweepState state = (*live)->search.state();
    if (state == v1::SWEEP_STATE_STOPPING || state == v1::SWEEP_STATE_CANCELLING) {
      return NotNow((*live)->record, state, "wait for its end");
    }
    if (IsSweepTerminal(state)) {
      if (live_.size() >= options_.max_live) return QuotaError("server", "too many sweeps are under way: wait for one");
      const absl::Status turned =
          Turn(**live, v1::SWEEP_STATE_RUNNING, absl::StrCat("trial ", wanted, " is run again"));
      if (!turned.ok()) return turned;
      live_[id] = *live;
    }
    v1::SweepEntry entry;
    entry.set_trial(wanted);
    entry.mutable_rerun()->set_attempt((*live)->search.Find(wanted)->reruns + 1);
    if (absl::Status status = Append(**live, std::move(entry)); !status.ok()) return status;
    (*live)->seen.erase(wanted);
    changed_ = true;
  }
  return GetTrial(id, number);
}

}  // namespace traind::server
