// What users may have, by their own quotas and the server's, and what of that lasts as long as a call: requests a
// second and streams, which are counted here, for this start of the server. Thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "server/accounts/account_store.h"
#include "server/resources/quota.h"

namespace traind::server {

class QuotaBook {
 public:
  // `servers`: the limits of those who have none of their own. `accounts` outlives this.
  QuotaBook(AccountStore* accounts, v1::Quota servers, AccountStore::Clock now = absl::Now)
      : accounts_(accounts), servers_(std::move(servers)), now_(std::move(now)) {}

  // Of "", to whom things belong that were made without users, there is no limit. NOT_FOUND. May block on the disk.
  absl::StatusOr<UserQuota> Of(const std::string& user) const;
  UserQuota Of(const User& user) const;

  // Counts a call. RESOURCE_EXHAUSTED, with when to try again: the user has made too many, and is no administrator.
  absl::Status TakeRequest(const User& user);
  // Counts a stream for as long as the ticket is there. RESOURCE_EXHAUSTED, with when to try again.
  absl::StatusOr<std::shared_ptr<void>> OpenStream(const User& user);

  int64_t RequestsOf(const std::string& user);  // In the last second.
  int64_t StreamsOf(const std::string& user);

 private:
  // The calls of this second of the clock and of the one before: what came in the last 1000 ms is estimated from both.
  struct Calls {
    int64_t second = 0;
    int64_t now = 0;
    int64_t before = 0;
    int64_t streams = 0;
  };
  // Brought to this second; with how much of it has passed.
  Calls& CallsOf(const std::string& user, double* passed) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void CloseStream(const std::string& user);

  AccountStore* const accounts_;
  const v1::Quota servers_;
  const AccountStore::Clock now_;
  absl::Mutex mu_;
  std::map<std::string, Calls> calls_ ABSL_GUARDED_BY(mu_);  // Of users that there are.
};

}  // namespace traind::server
