// Who did what, from where, to which resource, and how it ended: one JSON object in each line of a file of its own. A
// line is written before the caller has the answer. The file is rotated by size (audit.1.log is what was audit.log
// before), so that all of them together stay below a bound. Only the server's user may read them. Thread-safe.
//
// A line that cannot be written, as on a full disk, is no reason to refuse the call: the log of the server says so, and
// traind_audit_failures_total counts it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/telemetry/metrics.h"

namespace spdlog {
class logger;
}

namespace traind::server {

struct AuditEntry {
  absl::Time time;
  std::string user;                // Empty: there are no accounts, or nobody said who they are.
  std::string peer;                // "ipv4:10.0.0.7:40312".
  std::string forwarded_for = "";  // "203.0.113.9": whom the peer, a trusted proxy, speaks for; empty: itself.
  std::string method;              // "traind.v1.TrainingService/DeleteJob".
  std::string resource;            // "jobs/a"; empty: of none.
  std::string code;                // "OK", "NOT_FOUND".
  std::string message;             // Why it was refused; cut at 200 bytes.
  std::string traceparent;
  absl::Duration duration;
};

class AuditLog {
 public:
  struct Options {
    int64_t file_bytes = int64_t{64} << 20;
    int files = 8;  // The current one and those before it.
  };
  // Goes on with the file. INVALID_ARGUMENT: it cannot be opened, or is no regular file.
  static absl::StatusOr<std::unique_ptr<AuditLog>> Open(const std::string& path, const Options& options,
                                                        Metrics* metrics);
  ~AuditLog();

  void Write(const AuditEntry& entry);

 private:
  explicit AuditLog(std::shared_ptr<spdlog::logger> logger) : logger_(std::move(logger)) {}

  const std::shared_ptr<spdlog::logger> logger_;
};

// Whether a call of the method belongs into the audit log: all but those that only look, and of these the ones that
// were refused because of who asked.
bool IsAudited(absl::string_view method, absl::string_view code);

}  // namespace traind::server
