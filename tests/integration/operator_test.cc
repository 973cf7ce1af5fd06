// What an operator sees of a real server: metrics and probes, signals, the log as JSON, the audit log.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <csignal>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "nlohmann/json.hpp"
#include "tests/integration/fixture.h"
#include "tests/support/bytes.h"
#include "tests/support/http.h"
#include "traind/v1/server_service.grpc.pb.h"

namespace traind::integration {
namespace {

using ::testing::HasSubstr;

class OperatorTest : public IntegrationTest {
 protected:
  void Start() {
    StartServer({"--metrics-listen", "127.0.0.1:0", "--audit-log", audit_, "--log-format", "json"});
    port_ = 0;
    for (const nlohmann::json& line : Log()) {  // The newest start counts.
      const std::string message = line["message"];
      constexpr char kBefore[] = "metrics and probes on port ";
      if (message.rfind(kBefore, 0) != 0) continue;
      const std::string number = message.substr(sizeof(kBefore) - 1);
      EXPECT_TRUE(absl::SimpleAtoi(number.substr(0, number.find(' ')), &port_)) << message;
    }
  }
  std::vector<nlohmann::json> Log() const {
    std::vector<nlohmann::json> lines;
    for (const absl::string_view line : absl::StrSplit(server_->Log(), '\n', absl::SkipEmpty())) {
      lines.push_back(nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false));
      EXPECT_TRUE(lines.back().is_object()) << line;
    }
    return lines;
  }
  // Whether a line of the log says so.
  bool Logged(const std::string& text) const {
    for (const nlohmann::json& line : Log()) {
      if (line["message"].get<std::string>().find(text) != std::string::npos) return true;
    }
    return false;
  }
  static void Await(const std::function<bool()>& condition) {
    const absl::Time deadline = absl::Now() + kPatience;
    while (!condition() && absl::Now() < deadline) absl::SleepFor(absl::Milliseconds(5));
    EXPECT_TRUE(condition());
  }

  const std::string audit_ = folder_ / "logs/audit.log";
  int port_ = 0;
};

TEST_F(OperatorTest, AJobIsSeenFromEveryPlace) {
  Start();
  ASSERT_GT(port_, 0);
  EXPECT_THAT(HttpGet(port_, "/healthz"), HasSubstr("200 OK"));
  EXPECT_THAT(HttpGet(port_, "/readyz"), HasSubstr("200 OK"));
  ImportPoints();
  Submit(PointsJob(200), "a");
  Watcher(server_.get(), "jobs/a").Finish();
  const std::string metrics = HttpGet(port_, "/metrics");
  for (const char* line :
       {"traind_jobs{state=\"succeeded\"} 1\n", "traind_training_steps_total 200\n", "traind_worker_starts_total 1\n",
        "traind_training_examples_total 6400\n", "method=\"CreateJob\",code=\"OK\"} 1\n", "traind_ready 1\n"}) {
    EXPECT_THAT(metrics, HasSubstr(line));
  }
  // The job's lines say that they are its own.
  int of_job = 0;
  for (const nlohmann::json& line : Log()) of_job += line.value("resource", "") == "jobs/a";
  EXPECT_GE(of_job, 2);
  EXPECT_THAT(ReadBytes(audit_), HasSubstr("\"resource\":\"jobs/a\",\"code\":\"OK\""));
  struct stat info {};
  ASSERT_EQ(stat(audit_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(OperatorTest, ASignalSwitchesTheLogToDebug) {
  Start();
  v1::SetLogLevelRequest request;
  request.set_level(v1::LOG_LEVEL_WARNING);
  v1::ServerInfo info;
  const auto stub = v1::ServerService::NewStub(server_->NewChannel());
  ASSERT_TRUE(stub->SetLogLevel(NewContext().get(), request, &info).ok());
  EXPECT_EQ(info.log_level(), v1::LOG_LEVEL_WARNING);
  Await([&] { return Logged("the log level is warning now, it was debug: ipv4:127.0.0.1:"); });
  ASSERT_EQ(kill(server_->pid(), SIGUSR1), 0);
  Await([&] { return Logged("the log level is debug now, it was warning: SIGUSR1 asked for it"); });
  EXPECT_EQ(server_->Terminate(kPatience), 0) << "it still ends well";
}

TEST_F(OperatorTest, AKilledServerCountsWhatItFinds) {
  Start();
  ImportPoints();
  Submit(PointsJob(100), "done");
  Watcher(server_.get(), "jobs/done").Finish();
  Submit(PointsJob(1'000'000), "long");
  AwaitJob("jobs/long", [](const v1::Job& job) { return job.state() == v1::JOB_STATE_RUNNING; });
  server_->Kill();
  Start();
  ASSERT_GT(port_, 0);
  AwaitJob("jobs/long", [](const v1::Job& job) { return job.state() == v1::JOB_STATE_RUNNING; });
  const std::string metrics = HttpGet(port_, "/metrics");
  EXPECT_THAT(metrics, HasSubstr("traind_jobs{state=\"succeeded\"} 1\n"));
  EXPECT_THAT(metrics, HasSubstr("traind_jobs{state=\"running\"} 1\n"));
  EXPECT_THAT(metrics, HasSubstr("traind_jobs{state=\"queued\"} 0\n"));
  EXPECT_FALSE(Logged("is damaged"));
}

}  // namespace
}  // namespace traind::integration
