// Observed values, counted by size, as Prometheus has them. Observe takes no lock and allocates nothing, so that it may
// stand on any path; prometheus::Histogram has a lock, which the one who reads may hold while the writer of the store
// waits. Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/time/time.h"
#include "absl/types/span.h"

namespace traind::server {

class Histogram {
 public:
  struct Snapshot {
    std::vector<uint64_t> counts;  // Of each bucket alone; the last one is of what is above all bounds.
    double sum = 0;
  };

  // `bounds`: the largest value of each bucket, ascending. A constant, which outlives this.
  explicit Histogram(absl::Span<const double> bounds);

  void Observe(double value);
  void Observe(absl::Duration duration) { Observe(absl::ToDoubleSeconds(duration)); }

  absl::Span<const double> bounds() const { return bounds_; }
  // What was observed so far. Values that come at the same time may be in the counts and not yet in the sum.
  Snapshot Read() const;

 private:
  const absl::Span<const double> bounds_;
  const std::unique_ptr<std::atomic<uint64_t>[]> counts_;
  std::atomic<double> sum_ = 0;
};

}  // namespace traind::server
