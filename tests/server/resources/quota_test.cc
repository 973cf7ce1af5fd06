#include "server/resources/quota.h"

#include <gtest/gtest.h>

#include <string>

#include "traind/rpc/error_details.pb.h"

namespace traind::server {
namespace {

TEST(QuotaError, SaysWhoseAndWhat) {
  const absl::Status status = QuotaError("users/ada", "ada has 100 tokens");
  EXPECT_TRUE(absl::IsResourceExhausted(status));
  EXPECT_EQ(status.message(), "ada has 100 tokens");
  rpc::QuotaFailure failure;
  ASSERT_TRUE(failure.ParseFromString(std::string(*status.GetPayload(kQuotaFailureUrl))));
  ASSERT_EQ(failure.violations_size(), 1);
  EXPECT_EQ(failure.violations(0).subject(), "users/ada");
  EXPECT_EQ(failure.violations(0).description(), "ada has 100 tokens");
  EXPECT_FALSE(status.GetPayload(kRetryInfoUrl).has_value()) << "another try is of no use";
}

TEST(QuotaError, SaysWhenToTryAgain) {
  const absl::Status status = QuotaError("users/ada", "too fast", absl::Milliseconds(1500));
  rpc::RetryInfo info;
  ASSERT_TRUE(info.ParseFromString(std::string(*status.GetPayload(kRetryInfoUrl))));
  EXPECT_EQ(info.retry_delay().seconds(), 1);
  EXPECT_EQ(info.retry_delay().nanos(), 500'000'000);
}

v1::Quota Parsed(const std::string& text) {
  v1::Quota quota;
  EXPECT_TRUE(ParseQuota(text, quota).ok()) << text;
  return quota;
}

TEST(Quota, IsWrittenWithUnits) {
  const v1::Quota quota =
      Parsed("threads=4,memory_bytes=3KiB,dataset_bytes=2TiB,upload_bytes=7,streams=none,queued_jobs=0");
  EXPECT_EQ(quota.threads(), 4);
  EXPECT_EQ(quota.memory_bytes(), 3072);
  EXPECT_EQ(quota.dataset_bytes(), int64_t{2} << 40);
  EXPECT_EQ(quota.upload_bytes(), 7);
  EXPECT_EQ(quota.streams(), kNoLimit);
  EXPECT_TRUE(quota.has_queued_jobs()) << "nothing is a limit, too";
  EXPECT_FALSE(quota.has_model_bytes());
  EXPECT_EQ(QuotaText(quota),
            "queued_jobs=0,threads=4,memory_bytes=3072,dataset_bytes=2199023255552,upload_bytes=7,streams=none");
}

TEST(Quota, SaysWhatIsWrong) {
  v1::Quota quota;
  for (const char* text : {"", "threads", "threads=", "threads=four", "threads=-1", "threads=1.5", "threads=2GiB",
                           "memory_bytes=9999999TiB", "memory_bytes=2GB", "threads=1,", "threads =1", "Threads=1",
                           "threads=default", "threads=99999999999999999999"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ParseQuota(text, quota))) << text;
  }
  EXPECT_NE(ParseQuota("cores=1", quota).message().find("requests_per_second"), std::string::npos);
}

TEST(Quota, ChangesAndDefaults) {
  v1::Quota own, change;
  ASSERT_TRUE(ParseQuotaChange("threads=4,streams=none,event_bytes=5", change).ok());
  ApplyQuotaChange(change, own);
  const v1::Quota servers = Parsed("threads=2,streams=3,event_bytes=9,queued_jobs=7,running_jobs=none");
  v1::Quota limits = EffectiveQuota(servers, own);
  EXPECT_EQ(limits.threads(), 4);
  EXPECT_FALSE(limits.has_streams()) << "no limit";
  EXPECT_EQ(limits.queued_jobs(), 7);
  EXPECT_FALSE(limits.has_running_jobs());
  ASSERT_TRUE(ParseQuotaChange("threads=default", change).ok());
  ApplyQuotaChange(change, own);
  limits = EffectiveQuota(servers, own);
  EXPECT_EQ(limits.threads(), 2) << "the server's again";
  EXPECT_EQ(limits.event_bytes(), 5) << "the rest stays";
  change.set_threads(-2);
  EXPECT_TRUE(absl::IsInvalidArgument(CheckQuotaChange(change)));
}

TEST(Quota, IsExceededByWhatIsMore) {
  v1::Quota limits;
  limits.set_dataset_bytes(3 << 20);
  EXPECT_TRUE(CheckQuota("ada", limits, QuotaKind::kDatasets, 1 << 20, 2 << 20, "").ok()) << "to the last byte";
  const absl::Status status = CheckQuota("ada", limits, QuotaKind::kDatasets, 1 << 20, (2 << 20) + 1, "delete some");
  EXPECT_TRUE(absl::IsResourceExhausted(status));
  EXPECT_EQ(status.message(),
            "ada's quota of dataset_bytes is 3.0 MiB: 1.0 MiB are taken, this takes 2.0 MiB; delete some");
  EXPECT_TRUE(CheckQuota("ada", limits, QuotaKind::kThreads, kNoLimit, 1, "").ok() == false) << "no sum runs over";
  EXPECT_TRUE(CheckQuota("ada", limits, QuotaKind::kThreads, 1'000'000, 1'000'000, "").ok()) << "no limit";
}

}  // namespace
}  // namespace traind::server
