// A learning-rate range test (Smith 2017): what a short job with a rising rate says of the rate. Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "traind/v1/job.pb.h"

namespace traind::client {

struct RangeTestPlan {
  double first_rate = 1e-6;
  double last_rate = 10;
  uint32_t steps = 100;  // At least 10.
};

// The job of the test: `spec` with a rate that rises exponentially from the first to the last one over these steps, and
// without what has no place in it: evaluation, early stopping, rounds, averages of the weights, statistics,
// checkpoints.
v1::JobSpec RangeTestSpec(const v1::JobSpec& spec, const RangeTestPlan& plan);
// The learning_rate of a step, from 1: before batch_scaling, as the spec says it.
double RateAt(const RangeTestPlan& plan, uint64_t step);
// What the job has that the test leaves out and that bears on the rate; empty: nothing.
std::string LeftOut(const v1::JobSpec& spec);

// A step of the test.
struct RatePoint {
  uint64_t step = 0;
  double rate = 0;
  double loss = 0;  // Of the minibatch.
};

// The losses, smoothed over time: their mean with weights that fall by 0.95 for each step back. The first ones are
// those of few.
std::vector<double> SmoothLosses(const std::vector<RatePoint>& points);
// The smoothed loss is not finite, or has risen by as much again as it had fallen, and to twice the first one at least.
// Not within the first tenth of `steps`.
bool HasDiverged(const std::vector<RatePoint>& points, uint32_t steps);

struct RateFound {
  double steepest = 0;     // Where the smoothed loss falls most for the same factor on the rate: the suggestion.
  double lowest = 0;       // Where it is lowest, which is too large to train with.
  double lowest_loss = 0;  // There.
};
// Nullopt: it never falls by a twentieth. The first tenth of the steps, in which the mean is of few, is passed over.
std::optional<RateFound> FindRate(const std::vector<RatePoint>& points);

// The curve of the smoothed loss over the rate, from which the two rates are read.
std::string RenderRange(const std::vector<RatePoint>& points, const std::optional<RateFound>& found, int width);

}  // namespace traind::client
