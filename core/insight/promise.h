// What a step lowers the loss by at most, to first order: the sum over the tensors of |gradient| |update|. For the
// rules' own files.
#pragma once

#include "core/insight/rule.h"

namespace traind::core {

struct Promise {
  double of_step = 0;     // In the unit of the loss, penalties included.
  double loss = 0;        // Newest stretches, penalties included.
  double before = 0;      // The same of those before these.
  double ratio = 0;       // Update over weight, median over the layers.
  bool complete = false;  // All trained tensors are in the report.
};

// Of a view of kStatistics. All 0 while there are fewer than 6 stretches.
Promise PromiseOf(const View& view);

}  // namespace traind::core
