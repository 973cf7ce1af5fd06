// The job store without a disk, for tests of what stands above it: JobStore's contract for as long as the object lives.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "server/resources/names.h"
#include "server/store/job_store.h"

namespace traind::server {

class MemoryJobStore : public JobStore {
 public:
  absl::StatusOr<JobKey> CreateJob(const v1::Job& job, const std::vector<v1::Event>& events,
                                   const StoredRequest* request = nullptr) override {
    absl::MutexLock lock(&mu_);
    if (request != nullptr) Forget(request->create_time);
    if (Find(IdOf(job.name())) != jobs_.end() || (request != nullptr && IsTaken(*request))) {
      return absl::AlreadyExistsError("the job's id or its request_id is taken");
    }
    const JobKey key = last_key_ + 1;
    if (absl::Status status = Insert(key, events); !status.ok()) return status;
    last_key_ = key;
    jobs_[key] = job;
    if (request != nullptr) requests_[request->request_id] = *request;
    return key;
  }

  void ThinReports(JobKey) override {}
  absl::StatusOr<EventUse> MeasureEvents(JobKey key) override {
    absl::MutexLock lock(&mu_);
    EventUse use;
    for (const auto& [sequence, event] : events_[key]) {
      ++use.events;
      use.bytes += static_cast<int64_t>(event->ByteSizeLong());
    }
    return use;
  }

  absl::Status UpdateJob(JobKey key, const v1::Job& job, const std::vector<v1::Event>& events) override {
    absl::MutexLock lock(&mu_);
    if (absl::Status status = Insert(key, events); !status.ok()) return status;
    jobs_[key] = job;
    return absl::OkStatus();
  }

  absl::Status AppendEvents(JobKey key, const v1::Job& job, const std::vector<v1::Event>& events) override {
    absl::MutexLock lock(&mu_);
    if (absl::Status status = Insert(key, events); !status.ok()) return status;
    *jobs_[key].mutable_progress() = job.progress();
    jobs_[key].set_last_sequence(job.last_sequence());
    return absl::OkStatus();
  }

  absl::Status DeleteJob(JobKey key) override {
    absl::MutexLock lock(&mu_);
    Mark(jobs_[key].name(), absl::Now());
    jobs_.erase(key);
    events_.erase(key);
    return absl::OkStatus();
  }

  absl::Status PutRequest(const StoredRequest& request) override {
    absl::MutexLock lock(&mu_);
    Forget(request.create_time);
    if (IsTaken(request)) return absl::AlreadyExistsError("the request_id is taken");
    requests_[request.request_id] = request;
    return absl::OkStatus();
  }

  absl::Status EndRequests(const std::string& resource, absl::Time now) override {
    absl::MutexLock lock(&mu_);
    Mark(resource, now);
    return absl::OkStatus();
  }

  absl::StatusOr<int64_t> EventBytesOf(const std::string& owner) override {
    absl::MutexLock lock(&mu_);
    int64_t bytes = 0;
    for (const auto& [key, job] : jobs_) {
      if (job.owner() != owner) continue;
      for (const auto& [sequence, event] : events_[key]) bytes += static_cast<int64_t>(event->ByteSizeLong());
    }
    return bytes;
  }

  absl::StatusOr<StoredJob> GetJob(const std::string& id) override {
    absl::MutexLock lock(&mu_);
    const auto found = Find(id);
    if (found == jobs_.end()) return NotFoundError("Job", "jobs/" + id);
    return StoredJob{found->first, found->second};
  }

  absl::StatusOr<JobKey> KeyOf(const std::string& id) override {
    absl::MutexLock lock(&mu_);
    const auto found = Find(id);
    if (found == jobs_.end()) return NotFoundError("Job", "jobs/" + id);
    return found->first;
  }

  absl::StatusOr<std::optional<StoredRequest>> FindRequest(const std::string& request_id, absl::Time now) override {
    absl::MutexLock lock(&mu_);
    const auto found = requests_.find(request_id);
    if (found == requests_.end() || found->second.delete_time <= now - kRequestLifetime) return std::nullopt;
    return found->second;
  }

  absl::Status ListJobs(JobKey before, const std::vector<v1::JobState>& states,
                        const std::function<bool(StoredJob)>& add, const NameDamaged& = nullptr) override {
    absl::MutexLock lock(&mu_);
    for (auto job = jobs_.rbegin(); job != jobs_.rend(); ++job) {
      if (before > 0 && job->first >= before) continue;
      const bool wanted = states.empty() || std::count(states.begin(), states.end(), job->second.state()) > 0;
      if (wanted && !add({job->first, job->second})) break;
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<std::string>> JobIds() override {
    absl::MutexLock lock(&mu_);
    std::vector<std::string> ids;
    for (const auto& [key, job] : jobs_) ids.emplace_back(IdOf(job.name()));
    return ids;
  }

  absl::StatusOr<std::map<v1::JobState, int64_t>> CountJobs() override {
    absl::MutexLock lock(&mu_);
    std::map<v1::JobState, int64_t> counts;
    for (const auto& [key, job] : jobs_) ++counts[job.state()];
    return counts;
  }

  absl::StatusOr<EventBatch> ReadEvents(JobKey key, const ReadOptions& options) override {
    absl::MutexLock lock(&mu_);
    EventBatch batch{.events = {}, .last_scanned = options.after_sequence};
    int64_t bytes = 0;
    int left = options.max_events;
    const Events& events = events_[key];
    for (auto at = events.upper_bound(options.after_sequence); at != events.end() && left > 0; ++at, --left) {
      if ((options.kinds >> KindOf(*at->second)) & 1) {
        bytes += static_cast<int64_t>(at->second->ByteSizeLong());
        if (bytes > options.max_bytes && !batch.events.empty()) break;
        batch.events.push_back(at->second);
      }
      batch.last_scanned = at->first;
    }
    return batch;
  }

  absl::StatusOr<std::optional<v1::Event>> FindEvent(JobKey key, v1::EventKind kind, uint64_t step) override {
    absl::MutexLock lock(&mu_);
    std::optional<v1::Event> newest;
    for (const auto& [sequence, event] : events_[key]) {
      if (KindOf(*event) == kind && event->step() == step) newest = *event;
    }
    return newest;
  }

  absl::StatusOr<std::vector<std::optional<uint64_t>>> LastSteps(JobKey key) override {
    absl::MutexLock lock(&mu_);
    std::vector<std::optional<uint64_t>> steps(v1::EventKind_ARRAYSIZE);
    for (const auto& [sequence, event] : events_[key]) {
      std::optional<uint64_t>& last = steps[KindOf(*event)];
      last = std::max(last.value_or(0), event->step());
    }
    return steps;
  }

 private:
  using Jobs = std::map<JobKey, v1::Job>;
  using Events = std::map<int64_t, std::shared_ptr<const v1::Event>>;  // By sequence.

  Jobs::const_iterator Find(absl::string_view id) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return std::find_if(jobs_.begin(), jobs_.end(), [&](const auto& job) { return IdOf(job.second.name()) == id; });
  }

  bool IsTaken(const StoredRequest& request) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    const auto found = requests_.find(request.request_id);
    if (found == requests_.end()) return false;
    const StoredRequest& taken = found->second;
    return taken.method != request.method || taken.resource != request.resource ||
           taken.delete_time != absl::InfiniteFuture();
  }

  void Mark(const std::string& resource, absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    for (auto& [id, request] : requests_) {
      if (request.resource == resource) request.delete_time = std::min(request.delete_time, now);
    }
    Forget(now);
  }

  void Forget(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    for (auto request = requests_.begin(); request != requests_.end();) {
      const bool due = request->second.delete_time <= now - kRequestLifetime;
      request = due ? requests_.erase(request) : std::next(request);
    }
  }

  // All or none.
  absl::Status Insert(JobKey key, const std::vector<v1::Event>& added) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    Events events = events_[key];
    for (const v1::Event& event : added) {
      if (!events.emplace(event.sequence(), std::make_shared<v1::Event>(event)).second) {
        return absl::AlreadyExistsError("an event's sequence number is taken");
      }
    }
    events_[key] = std::move(events);
    return absl::OkStatus();
  }

  absl::Mutex mu_;
  JobKey last_key_ ABSL_GUARDED_BY(mu_) = 0;
  Jobs jobs_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, StoredRequest> requests_ ABSL_GUARDED_BY(mu_);
  std::map<JobKey, Events> events_ ABSL_GUARDED_BY(mu_);
};

}  // namespace traind::server
