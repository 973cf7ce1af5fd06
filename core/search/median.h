// The median stopping rule (Golovin et al. 2017, "Google Vizier", section 3.2.1). Pure, thread-safe.
#pragma once

#include <string>

#include "core/search/search.h"

namespace traind::core {

// After the newest value of `trial`, at step s: why it is to be stopped, or empty. It is when its best value so far is
// worse than the median of the running means up to s of the trials that have ended and have values up to s.
std::string WhyMedianStops(const Search& search, const SearchTrial& trial);

}  // namespace traind::core
