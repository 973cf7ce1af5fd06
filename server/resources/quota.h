// Quotas: what a user may have at a time, how that is written and merged, and the error of one that is used up, in one
// place so that every one says the same. Pure.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "traind/v1/quota.pb.h"

namespace traind::server {

// Under these keys a status carries a serialized google.rpc.QuotaFailure and RetryInfo.
inline constexpr absl::string_view kQuotaFailureUrl = "type.googleapis.com/google.rpc.QuotaFailure";
inline constexpr absl::string_view kRetryInfoUrl = "type.googleapis.com/google.rpc.RetryInfo";

// RESOURCE_EXHAUSTED. `subject`: whose quota, "users/ada" or "server". With `retry` clients try again after that long;
// without, somebody has to do something first, which `description` says.
absl::Status QuotaError(absl::string_view subject, absl::string_view description,
                        std::optional<absl::Duration> retry = std::nullopt);

// Tells clients to wait at least `delay` before they try again.
void SetRetryDelay(absl::Status& status, absl::Duration delay);

// The fields of v1::Quota, by their numbers.
enum class QuotaKind : uint8_t {
  kQueuedJobs = v1::Quota::kQueuedJobsFieldNumber,
  kRunningJobs = v1::Quota::kRunningJobsFieldNumber,
  kThreads = v1::Quota::kThreadsFieldNumber,
  kMemory = v1::Quota::kMemoryBytesFieldNumber,
  kDatasets = v1::Quota::kDatasetBytesFieldNumber,
  kModels = v1::Quota::kModelBytesFieldNumber,
  kUploads = v1::Quota::kUploadBytesFieldNumber,
  kEvents = v1::Quota::kEventBytesFieldNumber,
  kStreams = v1::Quota::kStreamsFieldNumber,
  kRequests = v1::Quota::kRequestsPerSecondFieldNumber,
};
inline constexpr int64_t kNoLimit = std::numeric_limits<int64_t>::max();
inline constexpr int64_t kServersLimit = -1;  // In a change: the user has none of its own any more.

// What a user may have, and their share of the threads.
struct UserQuota {
  v1::Quota limits;
  int32_t weight = 1;
};

// kNoLimit where the field is absent.
int64_t ValueOf(const v1::Quota& quota, QuotaKind kind);
void SetValue(v1::Quota& quota, QuotaKind kind, int64_t value);

// `used` and `more` are within the limit, or the error, which says `instead`: what to do.
absl::Status CheckQuota(const std::string& user, const v1::Quota& limits, QuotaKind kind, int64_t used, int64_t more,
                        absl::string_view instead, std::optional<absl::Duration> retry = std::nullopt);

// Sets what "threads=4,memory_bytes=8GiB,streams=none" says. INVALID_ARGUMENT, with the names there are.
absl::Status ParseQuota(absl::string_view text, v1::Quota& quota);
// The same with "threads=default" for kServersLimit, as a change.
absl::Status ParseQuotaChange(absl::string_view text, v1::Quota& change);
// "threads=4,memory_bytes=8589934592"; the form that ParseQuotaChange reads.
std::string QuotaText(const v1::Quota& quota);

// INVALID_ARGUMENT: a limit below kServersLimit.
absl::Status CheckQuotaChange(const v1::Quota& change);
// A user's own limits after the change.
void ApplyQuotaChange(const v1::Quota& change, v1::Quota& own);
// What holds for a user: their own limits, or else the server's. No field is kNoLimit.
v1::Quota EffectiveQuota(const v1::Quota& servers, const v1::Quota& own);

// "3.5 GiB" of a field in bytes, else "7".
std::string AmountText(QuotaKind kind, int64_t amount);
// "threads".
std::string NameOf(QuotaKind kind);

}  // namespace traind::server
