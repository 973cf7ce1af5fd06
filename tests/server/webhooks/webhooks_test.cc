// What is told to whom, over a real store and real receivers: one that is slow or wrong costs itself alone, and nothing
// is lost silently.
#include "server/webhooks/webhooks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/store/sqlite.h"
#include "server/store/sqlite_job_store.h"
#include "spdlog/sinks/ostream_sink.h"
#include "spdlog/spdlog.h"
#include "tests/server/store/stored.h"
#include "tests/server/webhooks/receiver.h"
#include "tests/support/bytes.h"
#include "tests/support/temporary_folder.h"

namespace traind::server {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kTaken[] = "HTTP/1.1 204 Done\r\n\r\n";

v1::Event StateChange(int64_t sequence, v1::JobState state) {
  v1::Event event;
  event.set_sequence(sequence);
  event.mutable_state()->set_state(state);
  return event;
}

class WebhooksTest : public ::testing::Test {
 protected:
  WebhooksTest() : logger_(spdlog::default_logger()) {
    spdlog::set_default_logger(
        std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::ostream_sink_mt>(log_)));
    auto store = SqliteJobStore::Open({.path = path_, .max_bytes = 0, .metrics = &metrics_});
    EXPECT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
    WriteBytes(options_.secret_file, "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n");
    chmod(options_.secret_file.c_str(), 0600);
    options_.post.allow_private = true;
    options_.post.timeout = absl::Hours(1);
    options_.look = absl::Milliseconds(1);
  }
  ~WebhooksTest() override {
    webhooks_.reset();
    spdlog::set_default_logger(logger_);
  }

  void Open(const std::vector<std::string>& urls) {
    options_.urls = urls;
    auto opened = Webhooks::Open(options_, path_, &metrics_);
    ASSERT_TRUE(opened.ok()) << opened.status();
    webhooks_ = *std::move(opened);
  }
  // A job that is queued; its change of state waits for all webhooks.
  void Change(const std::string& id) { Create(*store_, MakeJob(id), {StateChange(1, v1::JOB_STATE_QUEUED)}); }
  std::string TakeLog() {
    webhooks_->Stop();
    return log_.str();
  }
  template <class Condition>
  static void Await(const Condition& condition) {
    while (!condition()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  static std::string UrlOf(const TestReceiver& receiver, const std::string& scheme = "http") {
    return absl::StrCat(scheme, "://127.0.0.1:", receiver.port(), "/secret/path");
  }

  const TemporaryFolder folder_{TemporaryFolder::Place::kMemory};
  const std::string path_ = folder_ / "traind.db";
  std::ostringstream log_;
  const std::shared_ptr<spdlog::logger> logger_;
  Metrics metrics_;
  std::unique_ptr<SqliteJobStore> store_;
  Webhooks::Options options_{.urls = {}, .secret_file = folder_ / "secret", .post = {}};
  std::unique_ptr<Webhooks> webhooks_;
};

TEST_F(WebhooksTest, OneThatSaysNothingKeepsNobodyWaiting) {
  TestReceiver silent(SaysNothing);
  TestReceiver well(Answering(kTaken));
  Open({UrlOf(silent), UrlOf(well)});
  for (const char* id : {"a", "b", "c"}) Change(id);
  webhooks_->Start();
  Await([&] { return metrics_.webhooks_delivered.value() == 3 && silent.connections() == 1; });
  EXPECT_EQ(webhooks_->waiting(), 3);
  webhooks_->Stop();  // Not in an hour.
  EXPECT_EQ(metrics_.webhook_failures.value(), 0);
  EXPECT_EQ(webhooks_->waiting(), 3);  // No attempt was lost.
  EXPECT_EQ(well.connections(), 3);
}

TEST_F(WebhooksTest, WhatFailsIsSaidAndGivenUpInTheEnd) {
  TestReceiver failing(Answering("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"));
  options_.pauses = {absl::Milliseconds(1), absl::Milliseconds(1)};
  Open({UrlOf(failing)});
  Change("a");
  webhooks_->Start();
  Await([&] { return metrics_.webhooks_lost.value() == 1; });
  const std::string log = TakeLog();
  const std::string shown = absl::StrCat("http://127.0.0.1:", failing.port());
  EXPECT_THAT(log, HasSubstr(shown + " could not be told of a state of jobs/a, and is again in 1ms: it answered 503"));
  EXPECT_THAT(log, HasSubstr(shown + " is not told of a state of jobs/a, after 3 attempts: it answered 503"));
  EXPECT_THAT(log, Not(HasSubstr("/secret/path")));
  EXPECT_EQ(metrics_.webhook_failures.value(), 3);
  EXPECT_EQ(webhooks_->waiting(), 0);
}

TEST_F(WebhooksTest, TheLogSaysWhatIsWrongWithACertificate) {
  const TestCertificate good = SelfSigned("authority");
  const TestCertificate foreign = SelfSigned("foreign");
  const TestCertificate expired = SelfSigned("expired", -1);
  const TestCertificate other = SelfSigned("other", 30, "DNS:other.test,IP:127.0.0.2");
  std::list<TestReceiver> receivers;
  std::vector<std::string> urls;
  for (const TestCertificate* certificate : {&good, &foreign, &expired, &other}) {
    receivers.emplace_back(Answering(kTaken), TestReceiver::Options{.certificate = certificate});
    urls.push_back(UrlOf(receivers.back(), "https"));
  }
  options_.post.ca_file = folder_ / "ca.pem";
  WriteBytes(options_.post.ca_file, good.cert + expired.cert + other.cert);
  options_.pauses = {absl::Hours(1)};
  Open(urls);
  Change("a");
  webhooks_->Start();
  Await([&] { return metrics_.webhook_failures.value() == 3 && metrics_.webhooks_delivered.value() == 1; });
  const std::string log = TakeLog();
  const auto failed = [&](const std::string& url) {
    return absl::StrCat(url.substr(0, url.find("/secret")),
                        " could not be told of a state of jobs/a, and is again in 1h: its certificate is not taken: ");
  };
  EXPECT_THAT(log, HasSubstr(failed(urls[1]) + "self-signed certificate (--webhook-ca FILE"));
  EXPECT_THAT(log, HasSubstr(failed(urls[2]) + "certificate has expired"));
  EXPECT_THAT(log, HasSubstr(failed(urls[3]) + "IP address mismatch"));
}

TEST_F(WebhooksTest, WhatFindsNoRoomIsSaidAndCounted) {
  TestReceiver silent(SaysNothing);
  TestReceiver well(Answering(kTaken));
  Open({UrlOf(silent), UrlOf(well)});
  auto connection = OpenConnection(path_, SQLITE_OPEN_READWRITE);
  ASSERT_TRUE(connection.ok());
  // All that may wait but two, none of it due before the year 5138.
  const std::string fill =
      absl::StrCat("WITH RECURSIVE n(i) AS (SELECT 3 UNION ALL SELECT i + 1 FROM n WHERE i < ", Outbox::kMost,
                   ") INSERT INTO webhook_deliveries (webhook, id, job, payload, due) SELECT '", UrlOf(silent),
                   "', i, 'jobs/old', x'', 100000000000000 FROM n");
  ASSERT_EQ(Execute(connection->get(), fill), absl::OkStatus());
  Change("a");
  EXPECT_EQ(webhooks_->waiting(), Outbox::kMost);
  Change("b");
  EXPECT_EQ(webhooks_->waiting(), Outbox::kMost);
  webhooks_->Start();
  Await([&] { return metrics_.webhooks_lost.value() == 2 && metrics_.webhooks_delivered.value() == 1; });
  const std::string log = TakeLog();
  const auto said = [](const TestReceiver& receiver, int waiting) {
    return absl::StrCat("http://127.0.0.1:", receiver.port(), " is not told of 1 state changes: of the 10000 that may ",
                        "wait for all webhooks ", waiting, " wait for this one");
  };
  EXPECT_THAT(log, HasSubstr(said(silent, 9999)));
  EXPECT_THAT(log, HasSubstr(said(well, 1)));
}

TEST_F(WebhooksTest, AStartSaysWhatCannotBe) {
  options_.urls = {"https://example.org/hook"};
  options_.post.ca_file = folder_ / "none";
  EXPECT_THAT(std::string(Webhooks::Open(options_, path_, &metrics_).status().message()), HasSubstr("--webhook-ca"));
  options_.urls = {"http://127.0.0.1/hook"};  // Needs none.
  EXPECT_TRUE(Webhooks::Open(options_, path_, &metrics_).ok());
}

}  // namespace
}  // namespace traind::server
