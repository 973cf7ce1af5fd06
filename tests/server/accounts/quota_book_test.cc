#include "server/accounts/quota_book.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/support/temporary_folder.h"
#include "traind/rpc/error_details.pb.h"

namespace traind::server {
namespace {

class QuotaBookTest : public ::testing::Test {
 protected:
  QuotaBookTest() : accounts_(*AccountStore::Open(folder_ / "traind.db")) {
    EXPECT_TRUE(accounts_->PutUser("root", v1::ROLE_ADMIN).ok());
    EXPECT_TRUE(accounts_->PutUser("ada", v1::ROLE_USER).ok());
    EXPECT_TRUE(accounts_->PutUser("bob", v1::ROLE_USER).ok());
    v1::Quota servers;
    servers.set_requests_per_second(10);
    servers.set_streams(2);
    book_ = std::make_unique<QuotaBook>(accounts_.get(), servers, [this] { return now_; });
  }
  absl::Status Take(const std::string& user) { return book_->TakeRequest(*accounts_->GetUser(user)); }
  auto Open(const std::string& user) { return book_->OpenStream(*accounts_->GetUser(user)); }
  static absl::Duration DelayOf(const absl::Status& status) {
    rpc::RetryInfo info;
    const auto payload = status.GetPayload(kRetryInfoUrl);
    EXPECT_TRUE(payload.has_value() && info.ParseFromString(std::string(*payload))) << status;
    return absl::Seconds(info.retry_delay().seconds()) + absl::Nanoseconds(info.retry_delay().nanos());
  }

  const TemporaryFolder folder_{TemporaryFolder::Place::kMemory};
  absl::Time now_ = absl::FromUnixSeconds(1'800'000'000);
  std::unique_ptr<AccountStore> accounts_;
  std::unique_ptr<QuotaBook> book_;
};

TEST_F(QuotaBookTest, UsersHaveTheServersQuotaOrTheirOwn) {
  EXPECT_EQ(book_->Of("ada")->limits.streams(), 2);
  UserChange change;
  change.quota.set_streams(5);
  change.weight = 3;
  ASSERT_TRUE(accounts_->PutUser("ada", change).ok());
  EXPECT_EQ(book_->Of("ada")->limits.streams(), 5) << "it counts at once";
  EXPECT_EQ(book_->Of("ada")->limits.requests_per_second(), 10);
  EXPECT_EQ(book_->Of("ada")->weight, 3);
  EXPECT_EQ(book_->Of("bob")->limits.streams(), 2);
  EXPECT_EQ(book_->Of("")->limits.ByteSizeLong(), 0u) << "nobody's things have no limit";
  EXPECT_TRUE(absl::IsNotFound(book_->Of("eve").status()));
}

TEST_F(QuotaBookTest, RequestsOfASecond) {
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(Take("ada").ok()) << i;
  EXPECT_EQ(book_->RequestsOf("ada"), 10);
  const absl::Status status = Take("ada");
  EXPECT_TRUE(absl::IsResourceExhausted(status));
  EXPECT_TRUE(Take("bob").ok()) << "another's are not hers";
  // Whoever waits as long as it says gets through, and not much before.
  const absl::Duration delay = DelayOf(status);
  now_ += delay / 2;
  EXPECT_FALSE(Take("ada").ok());
  now_ += delay / 2;
  EXPECT_TRUE(Take("ada").ok());
  now_ += absl::Seconds(10);
  EXPECT_EQ(book_->RequestsOf("ada"), 0);
}

// However somebody calls, and whatever of the calls is refused.
TEST_F(QuotaBookTest, TheRateHolds) {
  for (const absl::Duration pause : {absl::Milliseconds(1), absl::Milliseconds(37), absl::Milliseconds(99)}) {
    now_ += absl::Hours(1);
    int taken = 0;
    for (absl::Duration time; time < absl::Seconds(60); time += pause) {
      taken += Take("ada").ok() ? 1 : 0;
      now_ += pause;
    }
    EXPECT_LE(taken, 10 * 61);
    EXPECT_GE(taken, 10 * 50);
  }
}

TEST_F(QuotaBookTest, AdministratorsMayCallAsOftenAsTheyLike) {
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(Take("root").ok());
  EXPECT_EQ(book_->RequestsOf("root"), 100);
}

TEST_F(QuotaBookTest, NothingIsALimit) {
  UserChange change;
  change.quota.set_requests_per_second(0);
  ASSERT_TRUE(accounts_->PutUser("ada", change).ok());
  const absl::Status status = Take("ada");
  EXPECT_TRUE(absl::IsResourceExhausted(status));
  EXPECT_FALSE(status.GetPayload(kRetryInfoUrl).has_value()) << "no wait helps";
}

TEST_F(QuotaBookTest, StreamsEnd) {
  auto first = Open("ada");
  auto second = Open("ada");
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(book_->StreamsOf("ada"), 2);
  const absl::Status third = Open("ada").status();
  EXPECT_TRUE(absl::IsResourceExhausted(third));
  EXPECT_GT(DelayOf(third), absl::ZeroDuration());
  EXPECT_TRUE(Open("bob").ok());
  first->reset();
  EXPECT_EQ(book_->StreamsOf("ada"), 1);
  EXPECT_TRUE(Open("ada").ok());
  EXPECT_EQ(book_->StreamsOf("ada"), 1) << "its ticket is gone at once";
}

}  // namespace
}  // namespace traind::server
