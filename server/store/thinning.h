// What becomes of the statistics of a long job with age; docs/architecture.md states the rule. Pure; value types.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>

#include "absl/types/span.h"
#include "traind/v1/statistics.pb.h"

namespace traind::server {

// How many events in a row keep all their reports, counted back from the newest.
inline constexpr int64_t kWholeEvents = 8192;

// Of reports that are `age` events old, the first in each block of so many sequence numbers stays whole; the blocks
// begin at multiples of their length. 1: all stay. Doubles with each doubling of the age, so that a block is always two
// of the younger ones, and a job of any length keeps about a thousand reports for each doubling.
int64_t BlockLength(int64_t age);

// The reports in which a number of a layer or tensor was smallest or largest; of equal ones the earliest counts.
class Extremes {
 public:
  // In any order, each report once; what is left of a thinned one is enough.
  void Add(int64_t sequence, const v1::StatisticsReport& report);

  // What thinning leaves of a report: the layers and tensors that have an extreme in it.
  v1::StatisticsReport Thinned(int64_t sequence, const v1::StatisticsReport& report) const;

 private:
  struct Range {
    float min = 0;
    float max = 0;
    int64_t min_at = 0;  // Sequence; 0: no number yet.
    int64_t max_at = 0;
  };
  // Mean, std, min, max, dead units, and non-finite values of a layer; norms and update of a tensor.
  using Numbers = std::array<Range, 6>;

  static void AddTo(Numbers& numbers, int64_t sequence, absl::Span<const float> values);
  static bool Holds(const std::map<std::string, Numbers>& all, const std::string& name, int64_t sequence);

  std::map<std::string, Numbers> layers_;
  std::map<std::string, Numbers> parameters_;
};

}  // namespace traind::server
