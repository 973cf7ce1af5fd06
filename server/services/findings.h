// The answer of ListFindings, read from a job's events.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/events/event_log.h"
#include "traind/v1/finding.pb.h"
#include "traind/v1/training_service.pb.h"

namespace traind::server {

// The order in which findings are shown: roots by severity, the worst first, then by where they were seen first; each
// is followed by those that hang on it.
void SortFindings(std::vector<v1::Finding>& findings);

// As the events up to `last_sequence` leave them. `check` is asked between reads; its error ends the work, and is given
// back. NOT_FOUND: the job was deleted.
absl::StatusOr<v1::ListFindingsResponse> ReadFindings(EventLog& log, JobKey key, int64_t last_sequence,
                                                      bool with_resolved, const std::function<absl::Status()>& check);

}  // namespace traind::server
