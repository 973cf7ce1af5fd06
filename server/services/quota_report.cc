#include "server/services/quota_report.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace traind::server {
namespace {

constexpr size_t kMostUsers = 100;  // In the metrics.

constexpr QuotaKind kKinds[] = {
    QuotaKind::kQueuedJobs, QuotaKind::kRunningJobs, QuotaKind::kThreads, QuotaKind::kMemory,  QuotaKind::kDatasets,
    QuotaKind::kModels,     QuotaKind::kUploads,     QuotaKind::kEvents,  QuotaKind::kStreams, QuotaKind::kRequests};

}  // namespace

absl::StatusOr<v1::GetQuotaResponse> QuotaReport::Of(const std::string& user) const {
  auto quota = book->Of(user);
  if (!quota.ok()) return quota.status();
  const auto events = store->EventBytesOf(user);
  if (!events.ok()) return events.status();
  v1::GetQuotaResponse response;
  response.set_name(absl::StrCat("users/", user));
  response.set_weight(quota->weight);
  *response.mutable_limits() = std::move(quota->limits);
  const JobManager::Use jobs_of = jobs->UseOf(user);
  v1::Quota& used = *response.mutable_used();
  used.set_queued_jobs(jobs_of.queued);
  used.set_running_jobs(jobs_of.running);
  used.set_threads(jobs_of.threads);
  used.set_memory_bytes(jobs_of.memory_bytes);
  for (const QuotaKind kind : {QuotaKind::kDatasets, QuotaKind::kModels, QuotaKind::kUploads}) {
    SetValue(used, kind, bytes->Of(user, kind));
  }
  used.set_event_bytes(*events);
  used.set_streams(book->StreamsOf(user));
  used.set_requests_per_second(book->RequestsOf(user));
  return response;
}

void QuotaReport::AddSamples(AccountStore& accounts, Samples& samples) const {
  const auto users = accounts.ListUsers();
  if (!users.ok()) return;
  samples.Gauge({"traind_users", "Users; quotas are shown of the first 100 by name"},
                static_cast<double>(users->size()));
  for (size_t i = 0; i < std::min(users->size(), kMostUsers); ++i) {
    const auto quota = Of((*users)[i].name);
    if (!quota.ok()) continue;
    for (const QuotaKind kind : kKinds) {
      const Samples::Labels labels = {{"user", (*users)[i].name}, {"quota", NameOf(kind)}};
      samples.Gauge({"traind_quota_used", "What the user has of each quota"},
                    static_cast<double>(ValueOf(quota->used(), kind)), labels);
      const int64_t limit = ValueOf(quota->limits(), kind);
      if (limit == kNoLimit) continue;
      samples.Gauge({"traind_quota_limit", "What the user may have of it; absent: any amount"},
                    static_cast<double>(limit), labels);
    }
  }
}

}  // namespace traind::server
