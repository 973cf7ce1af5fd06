#include "server/accounts/quota_book.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "absl/strings/str_cat.h"

namespace traind::server {
namespace {

// A stream ends at any time.
constexpr absl::Duration kStreamRetry = absl::Seconds(1);

int64_t InLastSecond(int64_t now, int64_t before, double passed) {
  return now + static_cast<int64_t>(std::floor(static_cast<double>(before) * (1 - passed)));
}

// Until another call is within the limit, which is not 0.
absl::Duration WaitFor(int64_t limit, int64_t now, int64_t before, double passed) {
  const bool next_second = now >= limit;
  const int64_t fading = next_second ? now : before;
  const int64_t room = next_second ? limit : limit - now;
  // When fading * (1 - passed) is below the room.
  const double from = 1 - static_cast<double>(room) / static_cast<double>(std::max<int64_t>(fading, 1));
  return absl::Seconds(std::max(from, 0.0) + (next_second ? 1 : 0) - passed) + absl::Milliseconds(1);
}

}  // namespace

UserQuota QuotaBook::Of(const User& user) const {
  return {.limits = EffectiveQuota(servers_, user.quota), .weight = user.weight};
}

absl::StatusOr<UserQuota> QuotaBook::Of(const std::string& user) const {
  if (user.empty()) return UserQuota{.limits = {}};
  const auto found = accounts_->GetUser(user);
  if (!found.ok()) return found.status();
  return Of(*found);
}

QuotaBook::Calls& QuotaBook::CallsOf(const std::string& user, double* passed) {
  const absl::Time time = now_();
  const int64_t second = absl::ToUnixSeconds(time);
  if (passed != nullptr) *passed = absl::ToDoubleSeconds(time - absl::FromUnixSeconds(second));
  Calls& calls = calls_[user];
  if (calls.second != second) {
    calls.before = calls.second == second - 1 ? calls.now : 0;
    calls.now = 0;
    calls.second = second;
  }
  return calls;
}

absl::Status QuotaBook::TakeRequest(const User& user) {
  const int64_t limit = ValueOf(Of(user).limits, QuotaKind::kRequests);
  absl::MutexLock lock(&mu_);
  double passed = 0;
  Calls& calls = CallsOf(user.name, &passed);
  const bool much = InLastSecond(calls.now, calls.before, passed) >= limit;
  if (!much || user.role == v1::ROLE_ADMIN) {
    ++calls.now;
    return absl::OkStatus();
  }
  const std::string whose = absl::StrCat("users/", user.name);
  if (limit == 0) return QuotaError(whose, absl::StrCat(user.name, "'s quota of requests_per_second is 0"));
  const absl::Duration wait = WaitFor(limit, calls.now, calls.before, passed);
  return QuotaError(whose,
                    absl::StrCat(user.name, "'s quota of requests_per_second is ", limit, ": try again in ",
                                 absl::ToInt64Milliseconds(wait), " ms"),
                    wait);
}

absl::StatusOr<std::shared_ptr<void>> QuotaBook::OpenStream(const User& user) {
  const v1::Quota limits = Of(user).limits;
  absl::MutexLock lock(&mu_);
  Calls& calls = CallsOf(user.name, nullptr);
  if (absl::Status status = CheckQuota(user.name, limits, QuotaKind::kStreams, calls.streams, 1,
                                       "end a watch, or wait until an upload or download is done", kStreamRetry);
      !status.ok()) {
    return status;
  }
  ++calls.streams;
  return std::shared_ptr<void>(this,
                               [name = user.name](void* book) { static_cast<QuotaBook*>(book)->CloseStream(name); });
}

void QuotaBook::CloseStream(const std::string& user) {
  absl::MutexLock lock(&mu_);
  --calls_[user].streams;
}

int64_t QuotaBook::RequestsOf(const std::string& user) {
  absl::MutexLock lock(&mu_);
  double passed = 0;
  const Calls& calls = CallsOf(user, &passed);
  return InLastSecond(calls.now, calls.before, passed);
}

int64_t QuotaBook::StreamsOf(const std::string& user) {
  absl::MutexLock lock(&mu_);
  return CallsOf(user, nullptr).streams;
}

}  // namespace traind::server
