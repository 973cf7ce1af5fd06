// Users and their tokens, in the server's traind.db. Several processes may have it open: a change by one counts at once
// for all, so `traind token` works beside a server that runs. Users are never removed, because their names stand for
// what they own; one with ROLE_NONE is locked out. Thread-safe; every call may block on the disk.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "server/resources/caller.h"
#include "server/resources/quota.h"
#include "server/store/sqlite.h"

namespace traind::server {

struct User {
  std::string name;
  v1::Role role = v1::ROLE_NONE;
  absl::Time create_time;
  v1::Quota quota = {};     // Limits of this user's own.
  int32_t weight = 1;       // Share of the threads.
  bool is_damaged = false;  // On the disk: nothing but the name is what was written, and no role is given.
};

// Whether the user is let in, however they proved who they are. UNAUTHENTICATED, with what to do.
absl::Status CheckMayEnter(const User& user);

// What is to be other than it is.
struct UserChange {
  std::optional<v1::Role> role = {};
  v1::Quota quota = {};  // See ApplyQuotaChange.
  std::optional<int32_t> weight = {};
};

// What is known of a token but its secret.
struct TokenRecord {
  std::string id;  // "tok-..."
  std::string user;
  std::string description;
  absl::Time create_time;
  absl::Time expire_time;                           // InfiniteFuture: never.
  absl::Time last_use_time = absl::InfinitePast();  // To the minute; InfinitePast: not yet.
  absl::Time revoke_time = absl::InfiniteFuture();  // InfiniteFuture: it was not.
  bool is_damaged = false;                          // On the disk: it lets nobody in, and can be revoked.

  // Whatever the time was: a clock that is set back must not bring one back.
  bool IsRevoked() const { return revoke_time != absl::InfiniteFuture(); }
  bool IsValid(absl::Time now) const { return now < expire_time && !IsRevoked() && !is_damaged; }
};

class AccountStore {
 public:
  using Clock = std::function<absl::Time()>;

  // `path`: the file of SqliteJobStore, which is created, or brought to the newest schema, if need be. Errors as
  // SqliteJobStore::Open.
  static absl::StatusOr<std::unique_ptr<AccountStore>> Open(const std::string& path, Clock now = absl::Now);

  // Whether there are no users. Then everybody is let in.
  absl::StatusOr<bool> IsEmpty();

  // The user, made if absent, with the change. Without a role an existing one keeps its own, and a new one gets
  // ROLE_USER. INVALID_ARGUMENT: the name, a limit, or a weight that is not 1 to 1000. FAILED_PRECONDITION: nobody
  // would be an administrator any more, or the first user is to be none. DATA_LOSS: the record is damaged, and there is
  // no role to write it anew with.
  absl::StatusOr<User> PutUser(const std::string& name, const UserChange& change);
  absl::StatusOr<User> PutUser(const std::string& name, std::optional<v1::Role> role) {
    return PutUser(name, UserChange{.role = role});
  }
  absl::StatusOr<User> GetUser(const std::string& name);  // NOT_FOUND.
  absl::StatusOr<std::vector<User>> ListUsers();          // By name.

  struct NewToken {
    std::string secret;  // Shown once; it cannot be had again.
    TokenRecord record;
  };
  // For a user that there is. INVALID_ARGUMENT: more than 200 characters of description, or an end in the past.
  // RESOURCE_EXHAUSTED: the user has 100 valid ones.
  absl::StatusOr<NewToken> CreateToken(const std::string& user, const std::string& description,
                                       absl::Time expire_time = absl::InfiniteFuture());
  // Of one user, or of all (empty); the oldest first. Those that ended more than 90 days ago are forgotten.
  absl::StatusOr<std::vector<TokenRecord>> ListTokens(const std::string& user = "");
  absl::StatusOr<TokenRecord> GetToken(const std::string& id);  // NOT_FOUND.
  // From now on it lets nobody in. OK when it was revoked before; NOT_FOUND.
  absl::StatusOr<TokenRecord> RevokeToken(const std::string& id);

  // Whose token it is. UNAUTHENTICATED, with what to do: it has no token's form, is not known, has expired, was
  // revoked, is damaged on the disk, or its user is locked out.
  absl::StatusOr<User> Authenticate(absl::string_view token);

 private:
  AccountStore(Connection connection, Connection notes, Clock now)
      : now_(std::move(now)), connection_(std::move(connection)), notes_(std::move(notes)) {}
  absl::Status Prepare();
  absl::StatusOr<std::optional<User>> FindUser(const std::string& name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::StatusOr<std::optional<TokenRecord>> FindToken(const std::string& id, std::string* hash)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status CheckRole(const std::string& name, v1::Role role) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  static absl::Status CheckChange(const UserChange& change);
  absl::Status Store(const User& user) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status Store(const TokenRecord& token, const std::string& hash) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void NoteUse(const TokenRecord& token) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status ForgetOld() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const Clock now_;
  absl::Mutex mu_;
  const Connection connection_ ABSL_PT_GUARDED_BY(mu_);
  // For the times of use: it neither waits for the disk nor for another writer.
  const Connection notes_ ABSL_PT_GUARDED_BY(mu_);
  Statement any_user_ ABSL_GUARDED_BY(mu_);
  Statement get_user_ ABSL_GUARDED_BY(mu_);
  Statement get_token_ ABSL_GUARDED_BY(mu_);
  Statement note_use_ ABSL_GUARDED_BY(mu_);
};

}  // namespace traind::server
