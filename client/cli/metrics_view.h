// What an evaluation says beside loss and accuracy, for people. Pure.
#pragma once

#include <string>
#include <vector>

#include "client/cli/styled.h"
#include "traind/v1/event.pb.h"

namespace traind::client {

// The numbers of all classes or targets together, a table of each (the first fifty), the confusion matrix where it fits
// into `width` columns, and the most frequent mistakes. `class_names` may be empty: classes then have their numbers.
// Empty without metrics.
std::vector<StyledLine> RenderMetrics(const v1::EvaluationMetrics& metrics, const std::vector<std::string>& class_names,
                                      int width);

}  // namespace traind::client
