// For each rule a run that has its fault and the same run mended, as a page with a picture each: docs/insight-rules.md.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace traind::insight {

// Trains what is not recorded below `dir` yet, `jobs` at a time, and writes docs/insight-rules.md and
// docs/insight/<rule>.svg below `root`, which has a folder "docs". FAILED_PRECONDITION: names the rules whose runs do
// not have them, or whose suggested fix cannot be trained; all others are written all the same. Call it before this
// process has used OpenMP.
absl::Status MakePictures(const std::string& root, const std::string& dir, int jobs);

}  // namespace traind::insight
