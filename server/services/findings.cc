#include "server/services/findings.h"

#include <algorithm>
#include <map>
#include <string>
#include <tuple>

namespace traind::server {

void SortFindings(std::vector<v1::Finding>& findings) {
  std::map<std::string, v1::Finding> roots;
  for (const v1::Finding& finding : findings) roots.emplace(finding.id(), finding);
  const auto key = [&](const v1::Finding& finding) {
    const auto found = roots.find(finding.root());
    const v1::Finding& root = found == roots.end() ? finding : found->second;
    return std::make_tuple(-root.severity(), root.first_step(), root.id(), &root != &finding, -finding.severity(),
                           finding.first_step(), finding.id());
  };
  std::stable_sort(findings.begin(), findings.end(),
                   [&](const v1::Finding& a, const v1::Finding& b) { return key(a) < key(b); });
}

absl::StatusOr<v1::ListFindingsResponse> ReadFindings(EventLog& log, JobKey key, int64_t last_sequence,
                                                      bool with_resolved, const std::function<absl::Status()>& check) {
  std::map<std::string, v1::Finding> newest;
  JobStore::ReadOptions options{.kinds = 1u << v1::EVENT_KIND_FINDING};
  while (options.after_sequence < last_sequence) {
    if (absl::Status status = check(); !status.ok()) return status;
    const auto batch = log.Read(key, options);
    if (!batch.ok()) return batch.status();
    for (const auto& event : batch->events) {
      if (event->has_finding()) newest[event->finding().id()] = event->finding();  // Else it is damaged.
    }
    if (batch->last_scanned == options.after_sequence) break;
    options.after_sequence = batch->last_scanned;
  }
  std::vector<v1::Finding> findings;
  for (auto& [id, finding] : newest) {
    if (with_resolved || finding.state() == v1::Finding::STATE_OPEN) findings.push_back(std::move(finding));
  }
  SortFindings(findings);
  v1::ListFindingsResponse response;
  for (v1::Finding& finding : findings) *response.add_findings() = std::move(finding);
  return response;
}

}  // namespace traind::server
