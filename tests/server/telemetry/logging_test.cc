#include "server/telemetry/logging.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"
#include "server/telemetry/log_scope.h"
#include "spdlog/spdlog.h"

namespace traind::server {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

// The lines that come on stderr while `work` runs.
std::vector<std::string> Logged(const std::string& level, const std::string& format,
                                const std::function<void()>& work) {
  const std::shared_ptr<spdlog::logger> before = spdlog::default_logger();
  testing::internal::CaptureStderr();
  SetUpLogging(level, format);
  work();
  spdlog::set_default_logger(before);
  std::vector<std::string> lines = absl::StrSplit(testing::internal::GetCapturedStderr(), '\n');
  EXPECT_EQ(lines.back(), "") << "each line has an end";
  lines.pop_back();
  return lines;
}

TEST(Logging, AMessageOfAnyBytesIsOneLineOfJson) {
  const std::vector<std::string> messages = {
      "plain", R"(say "no" to C:\)",  "two\nlines\r\n", "a tab\tand a bell\x07", "Grüße, 世界",
      "",      "{} %s {\"level\": 1}"};
  const std::vector<std::string> lines = Logged("info", "json", [&] {
    for (const std::string& message : messages) spdlog::warn("{}", message);
  });
  ASSERT_THAT(lines, SizeIs(messages.size()));
  for (size_t i = 0; i < lines.size(); ++i) {
    const auto object = nlohmann::json::parse(lines[i], nullptr, /*allow_exceptions=*/false);
    ASSERT_TRUE(object.is_object()) << lines[i];
    EXPECT_EQ(object.size(), 4u) << lines[i];
    EXPECT_EQ(object.at("message"), messages[i]);
    EXPECT_EQ(object.at("level"), "warning");
    EXPECT_TRUE(object.at("thread").is_number_unsigned());
    absl::Time time;
    std::string error;
    EXPECT_TRUE(absl::ParseTime(absl::RFC3339_full, object.at("time").get<std::string>(), &time, &error)) << error;
  }
}

TEST(Logging, WhatIsNotUtf8IsReplaced) {
  const std::vector<std::string> lines = Logged("info", "json", [] { spdlog::info("{}", "a\xff\xfe b"); });
  ASSERT_THAT(lines, SizeIs(1));
  const auto object = nlohmann::json::parse(lines[0], nullptr, /*allow_exceptions=*/false);
  ASSERT_TRUE(object.is_object()) << lines[0];
  EXPECT_EQ(object.at("message"), "a\xef\xbf\xbd\xef\xbf\xbd b");
}

TEST(Logging, LeavesOutWhatIsBelowTheLevel) {
  for (const char* format : {"text", "json"}) {
    EXPECT_THAT(Logged("error", format, [] { spdlog::warn("quiet"); }), IsEmpty()) << format;
    EXPECT_THAT(Logged("debug", format, [] { spdlog::debug("loud"); }), SizeIs(1)) << format;
  }
}

TEST(Logging, ATextLineHasTimeLevelAndMessage) {
  const std::vector<std::string> lines = Logged("info", "text", [] { spdlog::error("the {} is full", "disk"); });
  ASSERT_THAT(lines, SizeIs(1));
  EXPECT_THAT(lines[0], testing::MatchesRegex(".*T.*:.*:.* error   the disk is full"));
}

TEST(Logging, ALineSaysWhatItIsAbout) {
  const auto work = [] {
    const LogScope scope(
        {.resource = "jobs/a", .traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"});
    spdlog::info("the disk is slow");
    spdlog::info("jobs/a runs");
  };
  std::vector<std::string> lines = Logged("info", "json", work);
  ASSERT_THAT(lines, SizeIs(2));
  const auto object = nlohmann::json::parse(lines[0], nullptr, /*allow_exceptions=*/false);
  ASSERT_TRUE(object.is_object()) << lines[0];
  EXPECT_EQ(object["resource"], "jobs/a");
  EXPECT_EQ(object["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
  lines = Logged("info", "text", work);
  ASSERT_THAT(lines, SizeIs(2));
  EXPECT_THAT(lines[0], testing::EndsWith("the disk is slow (jobs/a, trace 4bf92f3577b34da6a3ce929d0e0e4736)"));
  EXPECT_THAT(lines[1], testing::EndsWith("jobs/a runs (trace 4bf92f3577b34da6a3ce929d0e0e4736)")) << "said once";
}

TEST(Logging, TheLevelIsChangedWhileTheServerRuns) {
  const std::vector<std::string> lines = Logged("info", "text", [] {
    spdlog::debug("not yet");
    ChangeLogLevel("debug", "somebody");
    EXPECT_EQ(LogLevelName(), "debug");
    spdlog::debug("now");
    ChangeLogLevel("error", "somebody");
    spdlog::warn("no more");
  });
  ASSERT_THAT(lines, SizeIs(3));
  EXPECT_THAT(lines[0], testing::EndsWith("the log level is debug now, it was info: somebody asked for it"));
  EXPECT_THAT(lines[1], testing::EndsWith("now"));
  EXPECT_THAT(lines[2], testing::HasSubstr("the log level is error now, it was debug"));
}

}  // namespace
}  // namespace traind::server
