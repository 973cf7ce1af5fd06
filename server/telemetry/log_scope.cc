#include "server/telemetry/log_scope.h"

#include <algorithm>
#include <utility>

namespace traind::server {
namespace {

thread_local LogFields current_fields;

bool IsHex(absl::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool IsZero(absl::string_view text) { return text.find_first_not_of('0') == absl::string_view::npos; }

}  // namespace

const LogFields& CurrentLogFields() { return current_fields; }

LogScope::LogScope(LogFields fields) : before_(current_fields) {
  if (!fields.resource.empty()) current_fields.resource = std::move(fields.resource);
  if (!fields.traceparent.empty()) current_fields.traceparent = std::move(fields.traceparent);
  if (!fields.user.empty()) current_fields.user = std::move(fields.user);
}

LogScope::~LogScope() { current_fields = std::move(before_); }

absl::string_view TraceOf(absl::string_view traceparent) {
  // Version 00: 2, 32, 16 and 2 hexadecimal digits, with dashes between them. A later version may go on after them.
  constexpr size_t kTrace = 3, kParent = 36, kFlags = 53, kEnd = 55;
  if (traceparent.size() < kEnd || (traceparent.size() > kEnd && traceparent[kEnd] != '-')) return "";
  const absl::string_view version = traceparent.substr(0, 2);
  const absl::string_view trace = traceparent.substr(kTrace, 32);
  const absl::string_view parent = traceparent.substr(kParent, 16);
  if (traceparent[kTrace - 1] != '-' || traceparent[kParent - 1] != '-' || traceparent[kFlags - 1] != '-') return "";
  if (!IsHex(version) || !IsHex(trace) || !IsHex(parent) || !IsHex(traceparent.substr(kFlags, 2))) return "";
  if (version == "ff" || (version == "00" && traceparent.size() != kEnd) || IsZero(trace) || IsZero(parent)) return "";
  return trace;
}

}  // namespace traind::server
