// What the lines of the log are about. Whoever works on a job, or for a caller, says so once; each line that the same
// thread logs meanwhile carries it (logging.h), and so does what a call changes (StateChange.traceparent).
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace traind::server {

struct LogFields {
  std::string resource = "";     // "jobs/{id}", "operations/{id}"; empty: nothing of the kind.
  std::string traceparent = "";  // W3C trace context of the caller; empty: there is none.
  std::string user = "";         // Who called; empty: nobody, or there are no accounts.
};

// Of this thread; the innermost scope's, each field of which is that of the scope around it where it has none.
const LogFields& CurrentLogFields();

// Holds for its own thread, for as long as it lives. Scopes nest.
class LogScope {
 public:
  explicit LogScope(LogFields fields);
  ~LogScope();
  LogScope(const LogScope&) = delete;
  LogScope& operator=(const LogScope&) = delete;

 private:
  LogFields before_;
};

// The 32 digits of the trace in a W3C traceparent ("00-<trace>-<parent>-<flags>"); empty where the text is none. Such a
// one is passed over, as the W3C's recommendation wants it.
absl::string_view TraceOf(absl::string_view traceparent);

}  // namespace traind::server
