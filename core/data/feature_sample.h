// What single features of a sample of examples are like: constant, copies of another, and their mean and deviation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace traind::core {

// Of examples with more than 2^18 numbers so many of them, evenly spread: the memory is bounded, and so is the time.
// Thread-compatible.
class FeatureSample {
 public:
  // Features of one example. May throw std::bad_alloc, as may those below.
  explicit FeatureSample(int64_t features);
  // That one takes at most, while it counts duplicates.
  static int64_t Bytes(int64_t features);

  void Add(const std::vector<float>& example);
  // Features that vary and equal one before them in all examples.
  int64_t Duplicated() const;
  // Root mean square, over the features that vary in this sample, of the difference of the means, in deviations of this
  // sample. A deviation is taken to be at least a tenth of the other sample's: a pixel that is set in one training
  // example by chance would count for more than all others. Features that are not finite are left out. `other` has the
  // same features.
  double ShiftTo(const FeatureSample& other) const;

 private:
  struct Moments {
    double mean = 0, variance = 0;  // Of the population.
  };
  Moments MomentsOf(size_t i) const;

  int64_t features_;
  int64_t examples_ = 0;
  std::vector<float> chosen_;          // Of the newest example.
  std::vector<float> first_;           // Of the first example, from which ...
  std::vector<double> sum_, squares_;  // ... differences are summed: what is constant gives exactly zero.
  std::vector<uint64_t> hash_;         // Of a feature's numbers.
  std::vector<uint8_t> varies_;
};

}  // namespace traind::core
