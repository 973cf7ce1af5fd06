// The frame of the losses of numbers: the mean over the outputs of a loss of one output and its target. Term is
// { double operator()(double output, double target, double* slope) const; }, where slope is that in the output.
#pragma once

#include <cstdint>

#include "core/kinds/loss.h"
#include "core/losses/example_sum.h"

namespace traind::core {

template <class Term>
double MeanOverOutputs(const float* output, const Targets& targets, int64_t n, int64_t outputs, float* gradient,
                       const Term& term) {
  const double share = 1 / (static_cast<double>(outputs) * static_cast<double>(n));
  return SumOverExamples(n, outputs, [&](int64_t i) {
    double sum = 0;
    for (int64_t k = i * outputs; k < (i + 1) * outputs; ++k) {
      double slope = 0;
      sum += term(double{output[k]}, double{targets.values[k]}, &slope);
      if (gradient != nullptr) gradient[k] = static_cast<float>(share * slope);
    }
    return sum / static_cast<double>(outputs);
  });
}

}  // namespace traind::core
