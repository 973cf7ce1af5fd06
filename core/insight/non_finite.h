// The finding of a training that ends because a number is not finite. The worker makes it: it alone can look for the
// first one. Pure; thread-safe.
#pragma once

#include <cstdint>
#include <string>

#include "traind/v1/finding.pb.h"
#include "traind/v1/job.pb.h"

namespace traind::core {

// Where the first such number was seen, in the order of the network.
struct NonFiniteSource {
  std::string layer = {};   // Of whose output; or
  std::string tensor = {};  // of which weight, or
  bool gradient = false;    // of whose gradient. Neither: it is not known.
};

// `what` is not finite in step `step`: "loss".
v1::Finding NonFiniteFinding(const v1::JobSpec& spec, uint64_t step, const std::string& what,
                             const NonFiniteSource& source);

}  // namespace traind::core
