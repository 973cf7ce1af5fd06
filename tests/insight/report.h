// The figures as the section "Measured" of docs/insight.md.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "tests/insight/figures.h"

namespace traind::insight {

// In Markdown, without a heading. `planned`: how many runs there should be.
std::string Report(const std::vector<Examined>& all, size_t planned, const std::vector<Profile>& profiles);
// A line for each run, with what was told of it: for people who read findings.
std::string RunLines(const std::vector<Examined>& all, size_t profile);

// Replaces what stands between the lines "<!-- measured: begin -->" and "<!-- measured: end -->" of the file.
// FAILED_PRECONDITION: it has not both of them, once each and in this order.
absl::Status ReplaceMeasured(const std::string& path, const std::string& text);

}  // namespace traind::insight
