// How findings are shown, and when a command fails because of them. Pure functions, but for the option.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "client/cli/styled.h"
#include "traind/v1/finding.pb.h"

namespace traind::client {

// "WARNING dead_relu/hidden: 98 of 100 units ...; use leaky_relu ...".
std::string DescribeFinding(const v1::Finding& finding);
// "dead units / units 0.98 > 0.5, 5 of 5"; empty where nothing was measured.
std::string DescribeEvidence(const v1::Evidence& evidence);
Style SeverityStyle(const v1::Finding& finding);

// --fail-on, for FailsOn.
void AddFailOn(CLI::App& command, std::string& severity);
// Whether the finding is open and at least of this severity, "critical"; empty: never.
bool FailsOn(const v1::Finding& finding, const std::string& severity);

}  // namespace traind::client
