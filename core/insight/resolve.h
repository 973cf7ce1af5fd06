// The rules that a job asks for. Pure; thread-safe.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/base/errors.h"
#include "core/insight/rule.h"

namespace traind::core {

// By their names, in the order in which findings are told: by family, then by name.
using Rules = std::vector<std::pair<std::string, std::unique_ptr<const Rule>>>;

// All names of rules, as the oneof has them.
std::vector<std::string> RuleNames();

// The rules of a job, with its thresholds and none of those that it leaves out. Checks `spec` and fills in its
// defaults; violations go to `errors`, its scope. PROFILE_OFF counts not here: it says when rules look.
Rules ResolveInsight(v1::InsightSpec& spec, const FieldErrors& errors);

}  // namespace traind::core
