// What other tools have published, as the rules and thresholds here that stand for theirs: for comparisons.
// docs/insight.md has the sources.
#pragma once

#include "traind/v1/insight.pb.h"

namespace traind::core {

// What a profile stands for, as a job would write it: rules, thresholds and warn_while_improving. Empty for DEFAULT and
// OFF, and for a number that this build does not know. Lives as long as the program; thread-safe.
const v1::InsightSpec& BaseOf(v1::InsightSpec::Profile profile);

}  // namespace traind::core
