// What every loss is: from the network's output and the targets of one minibatch to a number and a gradient. One kind
// is one .cc file in core/losses.
#pragma once

#include <cstdint>
#include <optional>

#include "core/base/registry.h"
#include "core/tensor/targets.h"
#include "traind/v1/loss.pb.h"

namespace traind::core {

// What a network's outputs are to the loss that it was trained with.
enum class OutputMeaning {
  kLogits,  // The softmax of them are the probabilities of the classes.
  kScores,  // Of the classes: the largest one wins.
  kValues,  // The answer as it is.
};

class Loss {
 public:
  virtual ~Loss() = default;

  // Adds each example's loss to a sum kept in double, in the order of the examples. `output` [n, outputs] and
  // `gradient` are row-major float32; the gradient, unless null, is that of the minibatch's mean loss (it is divided
  // by n). Splits its work with ParallelFor; the sum does not depend on the number of threads.
  virtual double Compute(const float* output, const Targets& targets, int64_t n, int64_t outputs,
                         float* gradient) const = 0;

  // The sum that evaluation reports: without what only shapes the training (label smoothing).
  virtual double Evaluate(const float* output, const Targets& targets, int64_t n, int64_t outputs) const {
    return Compute(output, targets, n, outputs, nullptr);
  }

  // Whether the loss takes class labels, and rows of floats.
  virtual bool takes_labels() const { return true; }
  virtual bool takes_values() const { return true; }
  virtual OutputMeaning output_meaning() const { return OutputMeaning::kValues; }
};

// Examples whose largest output is at their label (the first of equal ones counts; NaN is never right).
int64_t CountCorrect(const float* output, const int32_t* labels, int64_t n, int64_t outputs);

}  // namespace traind::core
