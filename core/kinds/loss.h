// What every loss is: from the network's output and the targets of one minibatch to a number and a gradient. One kind
// is one .cc file in core/losses.
#pragma once

#include <cstdint>
#include <limits>

#include "core/base/registry.h"
#include "core/tensor/targets.h"
#include "traind/v1/loss.pb.h"

namespace traind::core {

// What a network's outputs are to the loss that it was trained with.
enum class OutputMeaning {
  kLogits,    // The softmax of them are the probabilities of the classes.
  kLogOdds,   // The sigmoid of each is the probability of its label; of one output for two classes, of the second one.
  kScores,    // Of the classes: the largest one wins.
  kLogRates,  // The exponential of each is the answer, a count.
  kValues,    // The answer as it is.
};

// What the targets of a loss may be, both ends included.
struct TargetRange {
  double least = -std::numeric_limits<double>::infinity();
  double most = std::numeric_limits<double>::infinity();
  bool bounded() const { return least > -std::numeric_limits<double>::infinity(); }
};

class Loss {
 public:
  virtual ~Loss() = default;

  // Adds each example's loss to a sum kept in double, in the order of the examples. `output` [n, outputs] and
  // `gradient` are row-major float32; the gradient, unless null, is that of the minibatch's mean loss (it is divided
  // by n). Splits its work with ParallelFor; the sum does not depend on the number of threads.
  virtual double Compute(const float* output, const Targets& targets, int64_t n, int64_t outputs,
                         float* gradient) const = 0;

  // The sum that evaluation reports: without what only shapes the training (label smoothing). Class weights stay: they
  // say what a mistake costs.
  virtual double Evaluate(const float* output, const Targets& targets, int64_t n, int64_t outputs) const {
    return Compute(output, targets, n, outputs, nullptr);
  }

  // Whether the loss takes class labels, and rows of floats.
  virtual bool takes_labels() const { return true; }
  virtual bool takes_values() const { return true; }
  virtual OutputMeaning output_meaning() const { return OutputMeaning::kValues; }
  virtual TargetRange target_range() const { return {}; }
  // Records what of its config does not suit a network of so many outputs, and `classes` of the dataset, 0 with rows of
  // floats. `errors` is the scope of the config.
  virtual void CheckSizes(int64_t /*outputs*/, int64_t /*classes*/, const FieldErrors& /*errors*/) const {}
};

// Whether one output tells two classes apart.
inline bool IsBinary(OutputMeaning meaning, int64_t outputs) {
  return meaning == OutputMeaning::kLogOdds && outputs == 1;
}
// Classes that the outputs can answer.
inline int64_t ClassesOf(OutputMeaning meaning, int64_t outputs) { return IsBinary(meaning, outputs) ? 2 : outputs; }

// The class that a row of outputs answers: the largest one, the first of equal ones; of one output for two classes the
// second one where it is above 0. -1 where one is NaN.
int64_t AnswerOf(OutputMeaning meaning, const float* row, int64_t outputs);

// Examples whose answer is their label.
int64_t CountCorrect(OutputMeaning meaning, const float* output, const int32_t* labels, int64_t n, int64_t outputs);

// The class weights of a loss that can have such, made where there are none yet; null for another kind.
v1::ClassWeights* MutableClassWeights(v1::Loss& loss);

}  // namespace traind::core
