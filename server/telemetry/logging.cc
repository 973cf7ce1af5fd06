#include "server/telemetry/logging.h"

#include <chrono>
#include <memory>
#include <utility>

#include "absl/strings/match.h"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"
#include "server/telemetry/log_scope.h"
#include "spdlog/formatter.h"
#include "spdlog/pattern_formatter.h"
#include "spdlog/sinks/stdout_sinks.h"
#include "spdlog/spdlog.h"

namespace traind::server {
namespace {

class JsonFormatter : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& line) override {
    nlohmann::ordered_json object = {
        {"time", absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", absl::FromChrono(message.time), absl::UTCTimeZone())},
        {"level", std::string(spdlog::level::to_string_view(message.level).data())},
        {"thread", message.thread_id},
        {"message", std::string(message.payload.data(), message.payload.size())},
    };
    const LogFields& fields = CurrentLogFields();
    if (!fields.resource.empty()) object["resource"] = fields.resource;
    if (!fields.user.empty()) object["user"] = fields.user;
    if (!fields.traceparent.empty()) object["trace_id"] = std::string(TraceOf(fields.traceparent));
    // A worker's output may be anything: bytes that are not UTF-8 are replaced, where dump would throw by default.
    const std::string text = object.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
    line.append(text.data(), text.data() + text.size());
  }
  std::unique_ptr<spdlog::formatter> clone() const override { return std::make_unique<JsonFormatter>(); }
};

// " (jobs/a, trace 4bf9...)" behind a message that does not name the resource itself.
class FieldsFlag : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&, spdlog::memory_buf_t& line) override {
    const LogFields& fields = CurrentLogFields();
    const absl::string_view said(message.payload.data(), message.payload.size());
    std::string text;
    if (!fields.resource.empty() && !absl::StrContains(said, fields.resource)) text = fields.resource;
    if (!fields.traceparent.empty()) {
      text += (text.empty() ? "trace " : ", trace ") + std::string(TraceOf(fields.traceparent));
    }
    if (text.empty()) return;
    text = " (" + text + ")";
    line.append(text.data(), text.data() + text.size());
  }
  std::unique_ptr<custom_flag_formatter> clone() const override { return std::make_unique<FieldsFlag>(); }
};

}  // namespace

void SetUpLogging(const std::string& level, const std::string& format) {
  auto logger = std::make_shared<spdlog::logger>("traind", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  if (format == "json") {
    logger->set_formatter(std::make_unique<JsonFormatter>());
  } else {
    auto formatter = std::make_unique<spdlog::pattern_formatter>();
    formatter->add_flag<FieldsFlag>('*').set_pattern("%Y-%m-%dT%H:%M:%S.%f%z %-7l %v%*");
    logger->set_formatter(std::move(formatter));
  }
  logger->set_level(spdlog::level::from_str(level));
  logger->flush_on(spdlog::level::trace);
  spdlog::set_default_logger(std::move(logger));
}

std::string LogLevelName() { return spdlog::level::to_string_view(spdlog::get_level()).data(); }

void ChangeLogLevel(const std::string& level, const std::string& who) {
  const std::string before = LogLevelName();
  const auto next = spdlog::level::from_str(level);
  const auto say = [&] { spdlog::warn("the log level is {} now, it was {}: {} asked for it", level, before, who); };
  const bool quieter = next > spdlog::get_level();
  if (quieter) say();  // Afterwards nobody would hear it.
  spdlog::default_logger_raw()->set_level(next);
  if (!quieter) say();
}

}  // namespace traind::server
