#include "server/accounts/account_store.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/accounts/token.h"
#include "server/resources/names.h"
#include "server/store/checked_bytes.h"
#include "server/store/sqlite_schema.h"

namespace traind::server {
namespace {

constexpr size_t kLongestDescription = 200;
constexpr int64_t kMostTokens = 100;                             // Valid ones of a user.
constexpr absl::Duration kUseInterval = absl::Minutes(1);        // Between two notes of a use.
constexpr absl::Duration kEndedLifetime = absl::Hours(24 * 90);  // Of a token that lets nobody in.
constexpr int64_t kNever = 0;                                    // A time that is not set, in the file.

constexpr int32_t kMostWeight = 1000;

constexpr char kUserColumns[] = "SELECT name, role, create_time, quota, weight FROM users ";
constexpr char kTokenColumns[] =
    "SELECT id, user, description, create_time, expire_time, last_use_time, revoke_time, hash FROM tokens ";

int64_t ToColumn(absl::Time time) { return time == absl::InfiniteFuture() ? kNever : absl::ToUnixSeconds(time); }

absl::Time FromColumn(int64_t seconds, absl::Time never) {
  return seconds == kNever ? never : absl::FromUnixSeconds(seconds);
}

// What the checksum in users.quota is about.
std::string About(const User& user) {
  return absl::StrCat(user.name, "\n", user.role, "\n", absl::ToUnixSeconds(user.create_time), "\n", user.weight);
}

// What the checksum in tokens.hash is about: all but the last use.
std::string About(const TokenRecord& token) {
  return absl::StrCat(token.id, "\n", token.user, "\n", absl::ToUnixSeconds(token.create_time), "\n",
                      ToColumn(token.expire_time), "\n", ToColumn(token.revoke_time), "\n", token.description);
}

TokenRecord TokenOf(const Statement& row, std::string* hash) {
  TokenRecord token{.id = std::string(row.Bytes(0)),
                    .user = std::string(row.Bytes(1)),
                    .description = std::string(row.Bytes(2)),
                    .create_time = absl::FromUnixSeconds(row.Integer(3)),
                    .expire_time = FromColumn(row.Integer(4), absl::InfiniteFuture()),
                    .last_use_time = FromColumn(row.Integer(5), absl::InfinitePast()),
                    .revoke_time = FromColumn(row.Integer(6), absl::InfiniteFuture())};
  const absl::string_view stored = row.Bytes(7);
  // A hash that has its length alone is from before there were checksums.
  const auto checked = stored.size() == kHashBytes ? stored : Checked(stored, About(token));
  token.is_damaged = !checked.has_value() || checked->size() != kHashBytes;
  if (hash != nullptr && !token.is_damaged) *hash = std::string(*checked);
  return token;
}

User UserOf(const Statement& row) {
  User user{.name = std::string(row.Bytes(0)),
            .role = static_cast<v1::Role>(row.Integer(1)),
            .create_time = absl::FromUnixSeconds(row.Integer(2)),
            .weight = static_cast<int32_t>(row.Integer(4))};
  const auto quota = Checked(row.Bytes(3), About(user));
  if (quota.has_value() && user.quota.ParseFromArray(quota->data(), static_cast<int>(quota->size()))) return user;
  return {.name = user.name, .create_time = user.create_time, .is_damaged = true};
}

absl::Status Unknown() {
  return absl::UnauthenticatedError(
      "this token is not valid here; `traind token create` on the server's machine, or an administrator, makes "
      "another");
}

// A change in a transaction of its own, which waits for other writers.
absl::Status InTransaction(sqlite3* connection, const std::function<absl::Status()>& change) {
  absl::Status status = Execute(connection, "BEGIN IMMEDIATE");
  if (!status.ok()) return status;
  status = change();
  if (status.ok()) status = Execute(connection, "COMMIT");
  if (!status.ok() && sqlite3_get_autocommit(connection) == 0) Execute(connection, "ROLLBACK").IgnoreError();
  return status;
}

std::string Damaged(const User& user) {
  return absl::StrCat("the record of the user ", user.name, " is damaged on the server's disk; `traind user set ",
                      user.name, " --role ...` writes it anew, with no quota and a weight of 1 if none is given");
}

}  // namespace

absl::Status CheckMayEnter(const User& user) {
  if (user.is_damaged) return absl::UnauthenticatedError(Damaged(user));
  if (user.role == v1::ROLE_NONE) return absl::UnauthenticatedError("this user is locked out");
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<AccountStore>> AccountStore::Open(const std::string& path, Clock now) {
  auto connection = OpenConnection(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
  if (!connection.ok()) return connection.status();
  if (absl::Status status = PrepareFile(connection->get(), 0); !status.ok()) {
    return absl::Status(status.code(), absl::StrCat(path, ": ", status.message()));
  }
  auto notes = OpenConnection(path, SQLITE_OPEN_READWRITE);
  if (!notes.ok()) return notes.status();
  sqlite3_busy_timeout(notes->get(), 0);
  auto store =
      std::unique_ptr<AccountStore>(new AccountStore(*std::move(connection), *std::move(notes), std::move(now)));
  if (absl::Status status = store->Prepare(); !status.ok()) return status;
  return store;
}

absl::Status AccountStore::Prepare() {
  absl::MutexLock lock(&mu_);
  if (absl::Status status = Execute(notes_.get(), "PRAGMA synchronous=NORMAL"); !status.ok()) return status;
  struct Entry {
    sqlite3* connection;
    Statement* statement;
    std::string sql;
  };
  const Entry entries[] = {
      {connection_.get(), &any_user_, "SELECT 1 FROM users LIMIT 1"},
      {connection_.get(), &get_user_, absl::StrCat(kUserColumns, "WHERE name = ?1")},
      {connection_.get(), &get_token_, absl::StrCat(kTokenColumns, "WHERE id = ?1")},
      {notes_.get(), &note_use_, "UPDATE tokens SET last_use_time = ?2 WHERE id = ?1"},
  };
  for (const Entry& entry : entries) {
    auto statement = Statement::Prepare(entry.connection, entry.sql);
    if (!statement.ok()) return statement.status();
    *entry.statement = *std::move(statement);
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> AccountStore::IsEmpty() {
  absl::MutexLock lock(&mu_);
  const auto row = any_user_.Step();
  any_user_.Reset();
  if (!row.ok()) return row.status();
  return !*row;
}

absl::StatusOr<std::optional<User>> AccountStore::FindUser(const std::string& name) {
  get_user_.Bind(1, name);
  const auto row = get_user_.Step();
  std::optional<User> user;
  if (row.ok() && *row) user = UserOf(get_user_);
  get_user_.Reset();
  if (!row.ok()) return row.status();
  return user;
}

absl::StatusOr<User> AccountStore::GetUser(const std::string& name) {
  absl::MutexLock lock(&mu_);
  auto user = FindUser(name);
  if (!user.ok()) return user.status();
  if (!user->has_value()) return NotFoundError("User", absl::StrCat("users/", name));
  return **std::move(user);
}

// Nobody locks everybody out.
absl::Status AccountStore::CheckRole(const std::string& name, v1::Role role) {
  if (role == v1::ROLE_ADMIN) return absl::OkStatus();
  auto others = Statement::Prepare(connection_.get(), "SELECT 1 FROM users WHERE role = ?1 AND name <> ?2 LIMIT 1");
  if (!others.ok()) return others.status();
  others->Bind(1, int64_t{v1::ROLE_ADMIN});
  others->Bind(2, name);
  const auto found = others->Step();
  if (!found.ok()) return found.status();
  if (*found) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("without ", name, " as administrator there would be none; make one first (--role admin)"));
}

absl::Status AccountStore::CheckChange(const UserChange& change) {
  if (change.weight.has_value() && (*change.weight < 1 || *change.weight > kMostWeight)) {
    return FieldError("weight", absl::StrCat("wants a number from 1 to ", kMostWeight));
  }
  return CheckQuotaChange(change.quota);
}

absl::StatusOr<User> AccountStore::PutUser(const std::string& name, const UserChange& change) {
  if (!IsUserName(name)) return FieldError("user", "wants 1 to 64 letters, digits and - _ . @");
  if (absl::Status status = CheckChange(change); !status.ok()) return status;
  absl::MutexLock lock(&mu_);
  User user{.name = name, .role = v1::ROLE_USER, .create_time = now_(), .quota = {}};
  const absl::Status status = InTransaction(connection_.get(), [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    auto before = FindUser(name);
    if (!before.ok()) return before.status();
    const v1::Role had = before->has_value() ? (*before)->role : v1::ROLE_UNSPECIFIED;
    if (before->has_value()) user = **std::move(before);
    if (user.is_damaged && !change.role.has_value()) return absl::DataLossError(Damaged(user));
    user.is_damaged = false;
    user.role = change.role.value_or(user.role);
    user.weight = change.weight.value_or(user.weight);
    ApplyQuotaChange(change.quota, user.quota);
    if (user.role != had) {
      if (absl::Status checked = CheckRole(name, user.role); !checked.ok()) return checked;
    }
    return Store(user);
  });
  if (!status.ok()) return status;
  return user;
}

absl::Status AccountStore::Store(const User& user) {
  auto put =
      Statement::Prepare(connection_.get(),
                         "INSERT INTO users (name, role, create_time, quota, weight) VALUES (?1, ?2, ?3, ?4, ?5) "
                         "ON CONFLICT DO UPDATE SET role = excluded.role, quota = excluded.quota, "
                         "weight = excluded.weight");
  if (!put.ok()) return put.status();
  const std::string quota = WithChecksum(user.quota.SerializeAsString(), About(user));
  put->Bind(1, user.name);
  put->Bind(2, int64_t{user.role});
  put->Bind(3, absl::ToUnixSeconds(user.create_time));
  put->BindBytes(4, quota);
  put->Bind(5, int64_t{user.weight});
  return put->Run();
}

absl::StatusOr<std::vector<User>> AccountStore::ListUsers() {
  absl::MutexLock lock(&mu_);
  auto statement = Statement::Prepare(connection_.get(), absl::StrCat(kUserColumns, "ORDER BY name"));
  if (!statement.ok()) return statement.status();
  std::vector<User> users;
  while (true) {
    const auto row = statement->Step();
    if (!row.ok()) return row.status();
    if (!*row) return users;
    users.push_back(UserOf(*statement));
  }
}

absl::StatusOr<AccountStore::NewToken> AccountStore::CreateToken(const std::string& user,
                                                                 const std::string& description,
                                                                 absl::Time expire_time) {
  if (description.size() > kLongestDescription) return FieldError("description", "has more than 200 bytes");
  if (expire_time <= now_()) return FieldError("expire_time", "must lie in the future");
  auto secret = server::NewToken();
  if (!secret.ok()) return secret.status();
  const std::string hash = HashOf(*secret);
  NewToken made{.secret = *std::move(secret),
                .record = {.id = TokenIdOf(hash),
                           .user = user,
                           .description = description,
                           .create_time = now_(),
                           .expire_time = expire_time}};
  absl::MutexLock lock(&mu_);
  const absl::Status status = InTransaction(connection_.get(), [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    auto found = FindUser(user);
    if (!found.ok()) return found.status();
    if (!found->has_value()) return NotFoundError("User", absl::StrCat("users/", user));
    if (absl::Status forgotten = ForgetOld(); !forgotten.ok()) return forgotten;
    auto count = Statement::Prepare(connection_.get(),
                                    "SELECT COUNT(*) FROM tokens WHERE user = ?1 AND revoke_time = 0 "
                                    "AND (expire_time = 0 OR expire_time > ?2)");
    if (!count.ok()) return count.status();
    count->Bind(1, user);
    count->Bind(2, absl::ToUnixSeconds(now_()));
    if (auto row = count->Step(); !row.ok()) return row.status();
    if (count->Integer(0) >= kMostTokens) {
      return QuotaError(absl::StrCat("users/", user),
                        absl::StrCat(user, " has ", kMostTokens, " valid tokens; revoke some first"));
    }
    return Store(made.record, hash);
  });
  if (!status.ok()) return status;
  return made;
}

absl::Status AccountStore::Store(const TokenRecord& token, const std::string& hash) {
  auto put = Statement::Prepare(connection_.get(),
                                "INSERT INTO tokens (id, user, description, create_time, expire_time, last_use_time, "
                                "revoke_time, hash) VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6, ?7) "
                                "ON CONFLICT DO UPDATE SET revoke_time = excluded.revoke_time, hash = excluded.hash");
  if (!put.ok()) return put.status();
  const std::string checked = WithChecksum(hash, About(token));
  put->Bind(1, token.id);
  put->Bind(2, token.user);
  put->Bind(3, token.description);
  put->Bind(4, absl::ToUnixSeconds(token.create_time));
  put->Bind(5, ToColumn(token.expire_time));
  put->Bind(6, ToColumn(token.revoke_time));
  put->BindBytes(7, checked);
  return put->Run();
}

absl::Status AccountStore::ForgetOld() {
  auto statement = Statement::Prepare(connection_.get(),
                                      "DELETE FROM tokens WHERE (expire_time > 0 AND expire_time < ?1) "
                                      "OR (revoke_time > 0 AND revoke_time < ?1)");
  if (!statement.ok()) return statement.status();
  statement->Bind(1, absl::ToUnixSeconds(now_() - kEndedLifetime));
  return statement->Run();
}

absl::StatusOr<std::vector<TokenRecord>> AccountStore::ListTokens(const std::string& user) {
  absl::MutexLock lock(&mu_);
  auto statement = Statement::Prepare(
      connection_.get(), absl::StrCat(kTokenColumns, "WHERE ?1 = '' OR user = ?1 ORDER BY create_time, id"));
  if (!statement.ok()) return statement.status();
  statement->Bind(1, user);
  std::vector<TokenRecord> tokens;
  while (true) {
    const auto row = statement->Step();
    if (!row.ok()) return row.status();
    if (!*row) return tokens;
    tokens.push_back(TokenOf(*statement, nullptr));
  }
}

absl::StatusOr<std::optional<TokenRecord>> AccountStore::FindToken(const std::string& id, std::string* hash) {
  get_token_.Bind(1, id);
  const auto row = get_token_.Step();
  std::optional<TokenRecord> token;
  if (row.ok() && *row) {
    token = TokenOf(get_token_, hash);
  }
  get_token_.Reset();
  if (!row.ok()) return row.status();
  return token;
}

absl::StatusOr<TokenRecord> AccountStore::GetToken(const std::string& id) {
  absl::MutexLock lock(&mu_);
  auto token = FindToken(id, nullptr);
  if (!token.ok()) return token.status();
  if (!token->has_value()) return NotFoundError("Token", absl::StrCat("tokens/", id));
  return **std::move(token);
}

absl::StatusOr<TokenRecord> AccountStore::RevokeToken(const std::string& id) {
  absl::MutexLock lock(&mu_);
  TokenRecord revoked;
  const absl::Status status = InTransaction(connection_.get(), [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    std::string hash;
    auto token = FindToken(id, &hash);
    if (!token.ok()) return token.status();
    if (!token->has_value()) return NotFoundError("Token", absl::StrCat("tokens/", id));
    revoked = **std::move(token);
    if (revoked.IsRevoked() && !revoked.is_damaged) return absl::OkStatus();
    revoked.revoke_time = now_();
    return Store(revoked, hash);  // Of a damaged one no hash is kept: it stays damaged, and lets nobody in.
  });
  if (!status.ok()) return status;
  return revoked;
}

absl::StatusOr<User> AccountStore::Authenticate(absl::string_view token) {
  if (!IsToken(token)) return absl::UnauthenticatedError("this is no token of traind, or it was cut or mistyped");
  const std::string hash = HashOf(token);
  absl::MutexLock lock(&mu_);
  std::string stored;
  auto record = FindToken(TokenIdOf(hash), &stored);
  if (!record.ok()) return record.status();
  if (record->has_value() && (*record)->is_damaged) {
    return absl::UnauthenticatedError(
        absl::StrCat("the record of this token, ", (*record)->id, ", is damaged on the server's disk; make another"));
  }
  if (!record->has_value() || !IsSameHash(hash, stored)) return Unknown();
  const absl::Time now = now_();
  if ((*record)->IsRevoked()) return absl::UnauthenticatedError("this token was revoked");
  if (now >= (*record)->expire_time) return absl::UnauthenticatedError("this token has expired");
  auto user = FindUser((*record)->user);
  if (!user.ok()) return user.status();
  if (!user->has_value()) return Unknown();
  if (absl::Status status = CheckMayEnter(**user); !status.ok()) return status;
  NoteUse(**record);
  return **std::move(user);
}

// One that cannot be written now is left to the next call.
void AccountStore::NoteUse(const TokenRecord& token) {
  if (now_() - token.last_use_time < kUseInterval) return;
  note_use_.Bind(1, token.id);
  note_use_.Bind(2, absl::ToUnixSeconds(now_()));
  note_use_.Run().IgnoreError();
}

}  // namespace traind::server
