// What a resolved spec that an older version stored leaves out, and what it meant there.
#pragma once

#include "traind/v1/job.pb.h"

namespace traind::core {

// Fills in last_batch and the fill of a cutout as versions before 0.3 had them, so that their jobs go on, and are
// forked, as they began. A newer spec stays as it is. Thread-safe.
void CompleteStoredSpec(v1::JobSpec& resolved);

}  // namespace traind::core
