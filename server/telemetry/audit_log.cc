#include "server/telemetry/audit_log.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "server/telemetry/log_scope.h"
#include "spdlog/logger.h"
#include "spdlog/pattern_formatter.h"
#include "spdlog/sinks/rotating_file_sink.h"
#include "spdlog/spdlog.h"

namespace traind::server {
namespace {

constexpr size_t kLongestMessage = 200;

std::string JsonLine(const AuditEntry& entry) {
  nlohmann::ordered_json object = {
      {"time", absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", entry.time, absl::UTCTimeZone())},
      {"user", entry.user},
      {"peer", entry.peer},
      {"method", entry.method},
      {"resource", entry.resource},
      {"code", entry.code},
      {"duration_ms", absl::ToDoubleMilliseconds(entry.duration)},
  };
  if (!entry.forwarded_for.empty()) object["forwarded_for"] = entry.forwarded_for;
  if (!entry.message.empty()) object["message"] = entry.message.substr(0, kLongestMessage);
  if (!entry.traceparent.empty()) object["trace_id"] = std::string(TraceOf(entry.traceparent));
  return object.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace

absl::StatusOr<std::unique_ptr<AuditLog>> AuditLog::Open(const std::string& path, const Options& options,
                                                         Metrics* metrics) {
  // A device or a pipe is not ours to rotate, and its mode is everybody's.
  std::error_code error;
  if (std::filesystem::exists(path, error) && !std::filesystem::is_regular_file(path, error)) {
    return absl::InvalidArgumentError(absl::StrCat("--audit-log ", path, ": is no regular file"));
  }
  spdlog::file_event_handlers handlers;
  handlers.after_open = [](const std::string&, std::FILE* file) { fchmod(fileno(file), S_IRUSR | S_IWUSR); };
  try {
    auto sink = std::make_shared<spdlog::sinks::rotating_file_sink_mt>(
        path, static_cast<size_t>(options.file_bytes), static_cast<size_t>(options.files - 1), false, handlers);
    auto logger = std::make_shared<spdlog::logger>("audit", std::move(sink));
    logger->set_pattern("%v");
    logger->flush_on(spdlog::level::trace);
    logger->set_error_handler([path, metrics](const std::string& problem) {
      metrics->audit_failures.Add();
      spdlog::error("the audit log {} misses a line: {}", path, problem);
    });
    return std::unique_ptr<AuditLog>(new AuditLog(std::move(logger)));
  } catch (const std::exception& problem) {
    return absl::InvalidArgumentError(absl::StrCat("--audit-log ", path, ": ", problem.what()));
  }
}

AuditLog::~AuditLog() = default;

void AuditLog::Write(const AuditEntry& entry) { logger_->info("{}", JsonLine(entry)); }

bool IsAudited(absl::string_view method, absl::string_view code) {
  if (code == "UNAUTHENTICATED" || code == "PERMISSION_DENIED") return true;
  if (!absl::StartsWith(method, "traind.v1.")) return false;  // Health checks, reflection.
  const absl::string_view name = method.substr(method.rfind('/') + 1);
  constexpr absl::string_view kLooks[] = {"Get", "List", "Watch", "Wait"};
  return std::none_of(std::begin(kLooks), std::end(kLooks),
                      [&](absl::string_view look) { return absl::StartsWith(name, look); });
}

}  // namespace traind::server
