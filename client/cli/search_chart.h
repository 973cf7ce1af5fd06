// A search as characters: parallel coordinates. Pure functions.
#pragma once

#include <string>
#include <vector>

#include "client/cli/search.h"
#include "client/cli/styled.h"

namespace traind::client {

// Each trial is a line from its place on the first axis to its objective on the last, better ones higher; the best is
// drawn last. Axes that do not fit beside each other are left out, and named in the last line. `height`: of the axes,
// without the titles above and the ends below. Empty where there is no trial.
std::vector<StyledLine> ParallelLines(const Search& search, int width, int height);

}  // namespace traind::client
