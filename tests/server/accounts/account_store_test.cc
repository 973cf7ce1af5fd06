#include "server/accounts/account_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/accounts/token.h"
#include "server/store/sqlite.h"
#include "server/store/sqlite_job_store.h"
#include "tests/support/bytes.h"
#include "tests/support/temporary_folder.h"

namespace traind::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class AccountStoreTest : public ::testing::Test {
 protected:
  AccountStoreTest() { store_ = Open(); }
  std::unique_ptr<AccountStore> Open() {
    auto store = AccountStore::Open(path_, [this] { return now_; });
    EXPECT_TRUE(store.ok()) << store.status();
    return *std::move(store);
  }
  std::string Token(const std::string& user, absl::Time end = absl::InfiniteFuture()) {
    auto token = store_->CreateToken(user, "", end);
    EXPECT_TRUE(token.ok()) << token.status();
    return token->secret;
  }
  std::string WhyNot(const std::string& token) {
    const absl::Status status = store_->Authenticate(token).status();
    EXPECT_TRUE(absl::IsUnauthenticated(status)) << status;
    return std::string(status.message());
  }

  const TemporaryFolder folder_{TemporaryFolder::Place::kMemory};
  const std::string path_ = folder_ / "traind.db";
  absl::Time now_ = absl::FromUnixSeconds(1'800'000'000);
  std::unique_ptr<AccountStore> store_;
};

TEST_F(AccountStoreTest, BeginsWithNobody) {
  EXPECT_TRUE(*store_->IsEmpty());
  EXPECT_THAT(*store_->ListUsers(), IsEmpty());
  EXPECT_TRUE(absl::IsNotFound(store_->GetUser("ada").status()));
  EXPECT_TRUE(absl::IsNotFound(store_->CreateToken("ada", "").status()));
}

TEST_F(AccountStoreTest, ATokenLetsItsUserIn) {
  ASSERT_TRUE(store_->PutUser("ada", v1::ROLE_ADMIN).ok());
  ASSERT_TRUE(store_->PutUser("bob", std::nullopt).ok());
  EXPECT_FALSE(*store_->IsEmpty());
  const std::string ada = Token("ada"), bob = Token("bob");
  EXPECT_EQ(store_->Authenticate(ada)->name, "ada");
  EXPECT_EQ(store_->Authenticate(ada)->role, v1::ROLE_ADMIN);
  EXPECT_EQ(store_->Authenticate(bob)->role, v1::ROLE_USER);
  EXPECT_THAT(WhyNot(*NewToken()), HasSubstr("is not valid here"));
  EXPECT_THAT(WhyNot(ada.substr(1)), HasSubstr("is no token"));
  EXPECT_THAT(WhyNot(""), HasSubstr("is no token"));
}

TEST_F(AccountStoreTest, TheSecretIsNowhereInTheFile) {
  ASSERT_TRUE(store_->PutUser("ada", v1::ROLE_ADMIN).ok());
  const std::string token = Token("ada");
  store_.reset();
  for (const auto& file : std::filesystem::directory_iterator(folder_.path())) {
    const std::string bytes = ReadBytes(file.path());
    EXPECT_EQ(bytes.find(token), std::string::npos) << file;
    EXPECT_EQ(bytes.find(token.substr(7, 20)), std::string::npos) << file;
  }
}

TEST_F(AccountStoreTest, TokensEnd) {
  ASSERT_TRUE(store_->PutUser("ada", v1::ROLE_ADMIN).ok());
  const std::string token = Token("ada", now_ + absl::Hours(1));
  EXPECT_TRUE(store_->Authenticate(token).ok());
  now_ += absl::Hours(1);
  EXPECT_EQ(WhyNot(token), "this token has expired");
  EXPECT_TRUE(absl::IsInvalidArgument(store_->CreateToken("ada", "", now_).status()));
}

TEST_F(AccountStoreTest, ARevokedTokenLetsNobodyInAndOthersStay) {
  ASSERT_TRUE(store_->PutUser("ada", v1::ROLE_ADMIN).ok());
  const std::string token = Token("ada"), other = Token("ada");
  const std::string id = TokenIdOf(HashOf(token));
  ASSERT_TRUE(store_->RevokeToken(id).ok());
  EXPECT_EQ(WhyNot(token), "this token was revoked");
  EXPECT_TRUE(store_->Authenticate(other).ok());
  now_ += absl::Hours(1);
  EXPECT_EQ(store_->RevokeToken(id)->revoke_time, now_ - absl::Hours(1)) << "the first time counts";
  EXPECT_TRUE(absl::IsNotFound(store_->RevokeToken("tok-000000000000").status()));
  now_ -= absl::Hours(24 * 365);
  EXPECT_EQ(WhyNot(token), "this token was revoked") << "a clock that is set back brings none back";
}

TEST_F(AccountStoreTest, AnotherProcessCountsAtOnce) {
  const auto other = Open();
  ASSERT_TRUE(other->PutUser("ada", v1::ROLE_ADMIN).ok());
  const auto token = other->CreateToken("ada", "laptop");
  ASSERT_TRUE(token.ok());
  EXPECT_TRUE(store_->Authenticate(token->secret).ok());
  ASSERT_TRUE(other->RevokeToken(token->record.id).ok());
  EXPECT_EQ(WhyNot(token->secret), "this token was revoked");
}

TEST_F(AccountStoreTest, LastUseIsKnownToTheMinute) {
  ASSERT_TRUE(store_->PutUser("ada", v1::ROLE_ADMIN).ok());
  const std::string token = Token("ada");
  EXPECT_EQ(store_->ListTokens()->front().last_use_time, absl::InfinitePast());
  const absl::Time first = now_;
  ASSERT_TRUE(store_->Authenticate(token).ok());
  now_ += absl::Seconds(59);
  ASSERT_TRUE(store_->Authenticate(token).ok());
  EXPECT_EQ(store_->ListTokens()->front().last_use_time, first);
  now_ += absl::Seconds(1);
  ASSERT_TRUE(store_->Authenticate(token).ok());
  EXPECT_EQ(store_->ListTokens()->front().last_use_time, first + absl::Seconds(60));
}

TEST_F(AccountStoreTest, ALockedOutUserKeepsNothing) {
  ASSERT_TRUE(store_->PutUser("ada", v1::ROLE_ADMIN).ok());
  ASSERT_TRUE(store_->PutUser("bob", v1::ROLE_USER).ok());
  const std::string token = Token("bob");
  ASSERT_TRUE(store_->PutUser("bob", v1::ROLE_NONE).ok());
  EXPECT_EQ(WhyNot(token), "this user is locked out");
  ASSERT_TRUE(store_->PutUser("bob", v1::ROLE_VIEWER).ok());
  EXPECT_EQ(store_->Authenticate(token)->role, v1::ROLE_VIEWER);
  EXPECT_EQ(store_->PutUser("bob", std::nullopt)->role, v1::ROLE_VIEWER) << "without a role it stays";
}

TEST_F(AccountStoreTest, ThereIsAlwaysAnAdministrator) {
  EXPECT_TRUE(absl::IsFailedPrecondition(store_->PutUser("bob", v1::ROLE_USER).status()));
  EXPECT_TRUE(*store_->IsEmpty());
  ASSERT_TRUE(store_->PutUser("ada", v1::ROLE_ADMIN).ok());
  for (const v1::Role role : {v1::ROLE_NONE, v1::ROLE_VIEWER, v1::ROLE_USER}) {
    EXPECT_TRUE(absl::IsFailedPrecondition(store_->PutUser("ada", role).status()));
  }
  ASSERT_TRUE(store_->PutUser("bob", v1::ROLE_ADMIN).ok());
  EXPECT_TRUE(store_->PutUser("ada", v1::ROLE_USER).ok());
}

TEST_F(AccountStoreTest, NamesAndDescriptionsAreBounded) {
  for (const std::string& name : {std::string(), std::string("a b"), std::string("-a"), std::string("a\n"),
                                  std::string("a/b"), std::string(65, 'a')}) {
    EXPECT_TRUE(absl::IsInvalidArgument(store_->PutUser(name, v1::ROLE_ADMIN).status())) << name;
  }
  ASSERT_TRUE(store_->PutUser("ada@example.org", v1::ROLE_ADMIN).ok());
  EXPECT_TRUE(absl::IsInvalidArgument(store_->CreateToken("ada@example.org", std::string(201, 'x')).status()));
  for (int i = 0; i < 100; ++i) Token("ada@example.org");
  EXPECT_TRUE(absl::IsResourceExhausted(store_->CreateToken("ada@example.org", "").status()));
  ASSERT_TRUE(store_->RevokeToken(store_->ListTokens()->front().id).ok());
  EXPECT_TRUE(store_->CreateToken("ada@example.org", "").ok());
}

TEST_F(AccountStoreTest, ListsByUserAndForgetsWhatEndedLongAgo) {
  ASSERT_TRUE(store_->PutUser("ada", v1::ROLE_ADMIN).ok());
  ASSERT_TRUE(store_->PutUser("bob", v1::ROLE_USER).ok());
  Token("ada", now_ + absl::Hours(1));
  Token("bob");
  EXPECT_THAT(*store_->ListTokens(), SizeIs(2));
  EXPECT_THAT(*store_->ListTokens("bob"), SizeIs(1));
  EXPECT_THAT(*store_->ListTokens("eve"), IsEmpty());
  now_ += absl::Hours(24 * 89);
  Token("bob");
  EXPECT_THAT(*store_->ListTokens("ada"), SizeIs(1));
  now_ += absl::Hours(48);
  Token("bob");
  EXPECT_THAT(*store_->ListTokens("ada"), IsEmpty());
  EXPECT_THAT(*store_->ListTokens("bob"), SizeIs(3));
}

TEST_F(AccountStoreTest, StandsInTheFileOfTheJobs) {
  ASSERT_TRUE(store_->PutUser("ada", v1::ROLE_ADMIN).ok());
  store_.reset();
  const auto jobs = SqliteJobStore::Open({.path = path_});
  ASSERT_TRUE(jobs.ok()) << jobs.status();
  store_ = Open();
  EXPECT_EQ(store_->GetUser("ada")->role, v1::ROLE_ADMIN);
}

TEST_F(AccountStoreTest, QuotasAndWeightsStay) {
  ASSERT_TRUE(store_->PutUser("ada", v1::ROLE_ADMIN).ok());
  EXPECT_EQ(store_->GetUser("ada")->weight, 1);
  UserChange change{.weight = 7};
  change.quota.set_threads(4);
  change.quota.set_streams(0);
  ASSERT_TRUE(store_->PutUser("ada", change).ok());
  const auto again = *Open()->GetUser("ada");
  EXPECT_EQ(again.role, v1::ROLE_ADMIN) << "it stays";
  EXPECT_EQ(again.weight, 7);
  EXPECT_EQ(again.quota.threads(), 4);
  EXPECT_TRUE(again.quota.has_streams());
  change = {};
  change.quota.set_threads(kServersLimit);
  const auto changed = store_->PutUser("ada", change);
  ASSERT_TRUE(changed.ok()) << changed.status();
  EXPECT_FALSE(changed->quota.has_threads());
  EXPECT_TRUE(changed->quota.has_streams());
  EXPECT_EQ(changed->weight, 7);
  EXPECT_EQ((*store_->ListUsers())[0].weight, 7);
  for (const int32_t weight : {0, -1, 1001}) {
    EXPECT_TRUE(absl::IsInvalidArgument(store_->PutUser("ada", UserChange{.weight = weight}).status())) << weight;
  }
  change.quota.set_threads(-2);
  EXPECT_TRUE(absl::IsInvalidArgument(store_->PutUser("ada", change).status()));
}

// The one row of the table with one bit of `column` turned, an integer or bytes, one after another; then as it was.
void WithEachBit(const std::string& path, const std::string& table, const std::string& column,
                 const std::function<void(const std::string& what)>& look) {
  auto connection = OpenConnection(path, SQLITE_OPEN_READWRITE);
  ASSERT_TRUE(connection.ok()) << connection.status();
  auto row =
      Statement::Prepare(connection->get(), absl::StrCat("SELECT typeof(", column, "), ", column, " FROM ", table));
  ASSERT_TRUE(row.ok()) << row.status();
  ASSERT_TRUE(*row->Step());
  const std::string type(row->Bytes(0));
  const int64_t integer = row->Integer(1);
  const std::string bytes(row->Bytes(1));
  row->Reset();
  const auto write = [&](int64_t as_integer, const std::string& as_bytes) {
    auto update = Statement::Prepare(connection->get(), absl::StrCat("UPDATE ", table, " SET ", column, " = ?1"));
    ASSERT_TRUE(update.ok()) << update.status();
    if (type == "integer") update->Bind(1, as_integer);
    if (type == "text") update->Bind(1, as_bytes);
    if (type == "blob") update->BindBytes(1, as_bytes);
    ASSERT_TRUE(update->Run().ok());
  };
  const size_t bits = type == "integer" ? 32 : bytes.size() * 8;
  for (size_t bit = 0; bit < bits; ++bit) {
    std::string turned = bytes;
    if (type != "integer") turned[bit / 8] ^= static_cast<char>(1 << bit % 8);
    write(integer ^ (int64_t{1} << bit % 32), turned);
    look(absl::StrCat(table, ".", column, ", bit ", bit));
  }
  write(integer, bytes);
}

TEST_F(AccountStoreTest, NoTurnedBitGivesAnybodyMore) {
  UserChange change{.role = v1::ROLE_ADMIN, .weight = 3};
  change.quota.set_threads(2);
  ASSERT_TRUE(store_->PutUser("ada", change).ok());
  auto made = store_->CreateToken("ada", "for the class", now_ + absl::Hours(1));
  ASSERT_TRUE(made.ok()) << made.status();
  const std::string token = made->secret;
  for (const char* column : {"role", "create_time", "quota", "weight"}) {
    WithEachBit(path_, "users", column, [&](const std::string& what) {
      EXPECT_THAT(WhyNot(token), HasSubstr("the record of the user ada is damaged")) << what;
      EXPECT_EQ(store_->GetUser("ada")->role, v1::ROLE_NONE) << what;
      EXPECT_TRUE(absl::IsDataLoss(store_->PutUser("ada", UserChange{.weight = 2}).status())) << what;
    });
  }
  for (const char* column : {"user", "description", "create_time", "expire_time", "revoke_time"}) {
    WithEachBit(path_, "tokens", column, [&](const std::string& what) {
      EXPECT_THAT(WhyNot(token), HasSubstr("is damaged on the server's disk; make another")) << what;
      EXPECT_FALSE(store_->ListTokens()->front().IsValid(now_)) << what;
    });
  }
  WithEachBit(path_, "tokens", "hash", [&](const std::string& what) { EXPECT_NE(WhyNot(token), "") << what; });
  EXPECT_EQ(store_->Authenticate(token).status(), absl::OkStatus()) << "as it was";
}

TEST_F(AccountStoreTest, WhatIsDamagedIsWrittenAnewOrRevoked) {
  ASSERT_TRUE(store_->PutUser("ada", v1::ROLE_ADMIN).ok());
  const std::string token = Token("ada");
  {
    auto connection = OpenConnection(path_, SQLITE_OPEN_READWRITE);
    ASSERT_TRUE(Execute(connection->get(), "UPDATE users SET role = 3; UPDATE tokens SET description = 'x'").ok());
  }
  EXPECT_TRUE(store_->ListUsers()->front().is_damaged);
  const auto user = store_->PutUser("ada", v1::ROLE_ADMIN);
  ASSERT_TRUE(user.ok()) << user.status();
  EXPECT_FALSE(store_->GetUser("ada")->is_damaged);
  EXPECT_THAT(WhyNot(token), HasSubstr("the record of this token, tok-"));
  ASSERT_TRUE(store_->RevokeToken(store_->ListTokens()->front().id).ok());
  EXPECT_TRUE(store_->ListTokens()->front().IsRevoked());
  EXPECT_NE(WhyNot(token), "");
}

TEST_F(AccountStoreTest, RowsOfBeforeThereWereChecksumsCount) {
  ASSERT_TRUE(store_->PutUser("ada", v1::ROLE_ADMIN).ok());
  const std::string token = Token("ada");
  auto connection = OpenConnection(path_, SQLITE_OPEN_READWRITE);
  ASSERT_TRUE(
      Execute(connection->get(), "UPDATE users SET quota = x''; UPDATE tokens SET hash = substr(hash, 6)").ok());
  EXPECT_EQ(store_->Authenticate(token)->role, v1::ROLE_ADMIN);
}

}  // namespace
}  // namespace traind::server
