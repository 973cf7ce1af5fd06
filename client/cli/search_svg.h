// The picture of a search: one SVG file that needs nothing else. Pure functions.
#pragma once

#include <string>

#include "client/cli/search.h"

namespace traind::client {

// Parallel coordinates, the objective of each trial with the best so far, and the learning curves; better trials are
// darker, the best is red, and each says what it is where the mouse is. At most the newest 1000 trials are drawn; the
// picture says so.
std::string SearchSvg(const Search& search);

}  // namespace traind::client
