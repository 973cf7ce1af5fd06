// A curve in bounded memory, whatever its length: neighbours share buckets as soon as there are too many of them, and
// what a person looks for in a bucket stays. Thread-compatible.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace traind::server {

class Curve {
 public:
  struct Point {
    uint64_t step = 0;
    double value = 0;
  };
  // Room for the ends of a curve, and for what is kept of its one bucket.
  static constexpr size_t kFewest = 8;

  // Adds the next point, with no smaller step than the one before, and holds at most `most` (at least kFewest).
  void Add(Point point, size_t most);
  // Holds no more than so many from now on.
  void Limit(size_t most);

  // In order: all that were added; or of each bucket the smallest value, the largest and the first NaN, and besides the
  // first and the last point of all.
  const std::vector<Point>& points() const { return points_; }
  // Length of a bucket in steps, a power of two; a bucket begins at a multiple of it. 1: nothing was left out.
  int64_t bucket_steps() const { return int64_t{1} << std::min(bucket_bits_, 62); }
  int64_t total() const { return total_; }  // How many were added.

 private:
  void Thin();  // Leaves of each bucket what is kept.
  uint64_t BucketOf(uint64_t step) const;

  std::vector<Point> points_;
  int bucket_bits_ = 0;  // 64: all steps that there can be are in one.
  int64_t total_ = 0;
};

}  // namespace traind::server
