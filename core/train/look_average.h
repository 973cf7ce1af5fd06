// The average over several looks at each example ("average it out", slides 88-100).
#pragma once

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "core/kinds/loss.h"

namespace traind::core {

// The mean over the looks at a minibatch, in double: of the probabilities where the outputs are logits or log odds, of
// the rates where they are their logarithms, else of the outputs. Allocates when it is made, and never after. Not
// thread-safe.
class LookAverage {
 public:
  // With `looks` = 1 the outputs go through as they are.
  LookAverage(OutputMeaning meaning, int64_t looks, int64_t batch, int64_t outputs);

  // The outputs of the next look, [count, outputs]. After the last one of a minibatch the results stand until the next
  // Add; returns whether this was the last.
  bool Add(const float* output, int64_t count);

  // What stands for the network's output, [count, outputs]: the mean; or its logarithm, or log odds, where
  // probabilities or rates were averaged, so that loss and softmax are those of the averaged ones.
  const float* output() const { return output_.data(); }
  // The standard deviation over the looks, [count, outputs].
  absl::Span<const float> spread() const { return spread_; }

 private:
  const OutputMeaning meaning_;
  const int64_t looks_;
  const int64_t outputs_;
  int64_t seen_ = 0;
  std::vector<double> first_;    // Look.
  std::vector<double> sum_;      // Of the differences to it,
  std::vector<double> squares_;  // and of their squares.
  std::vector<double> rest_;     // Of 1 - p, of log odds: near p = 1 the difference has no digits left.
  std::vector<float> output_;
  std::vector<float> spread_;
};

}  // namespace traind::core
