// Random fills shared by the initializers. Value i is a function of the stream and i alone: the number of threads
// changes nothing. A fill of 2^24 normals takes tens of milliseconds on two cores.
#pragma once

#include "absl/types/span.h"
#include "core/base/random.h"
#include "core/kinds/initializer.h"
#include "traind/v1/initializer.pb.h"

namespace traind::core {

// N(mean, std^2), by Box & Muller: never further than 5.8 std from the mean.
void FillNormal(const RandomStream& random, float mean, float std, absl::Span<float> values);
// U[low, high]
void FillUniform(const RandomStream& random, float low, float high, absl::Span<float> values);
// Zero mean and this std, distributed as asked for (not UNSPECIFIED).
void FillScaled(const RandomStream& random, v1::Distribution distribution, double std, absl::Span<float> values);

// The fan of a rule (not UNSPECIFIED).
double FanOf(v1::Fan fan, Initializer::Fans fans);

// Report numbers that are no known value.
void CheckFan(v1::Fan fan, const FieldErrors& errors);
void CheckDistribution(v1::Distribution distribution, const FieldErrors& errors);

}  // namespace traind::core
