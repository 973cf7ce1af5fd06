// Where the regions of fractional max pooling begin (Graham 2014), along one axis. A pure function of the random stream
// and its counters. Thread-safe.
#pragma once

#include <cstdint>

#include "core/base/random.h"
#include "traind/v1/network.pb.h"

namespace traind::core {

inline constexpr Purpose kPoolPurpose = Purpose::Numbered(11);

// The regions of an axis of `input` pixels: region i is [starts[i], starts[i] + length), length being
// starts[i + 1] - starts[i] for disjoint regions and one more for overlapping ones. Together they cover the axis.
struct RegionRule {
  v1::FractionalMaxPool::Sequence sequence = v1::FractionalMaxPool::SEQUENCE_RANDOM;
  bool disjoint = false;
  double ratio = 1.5;

  // How many regions: floor(input / ratio), and at least half of `input`, so that steps of 1 and 2 suffice.
  int64_t Outputs(int64_t input) const;
  // Writes Outputs(input) + 1 numbers. `axis` tells rows (0) and columns (1) apart.
  void Draw(const RandomStream& random, uint64_t step, uint32_t example, uint32_t axis, int64_t input,
            int32_t* starts) const;
};

}  // namespace traind::core
