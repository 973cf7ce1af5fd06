#include "server/services/curve.h"

#include <algorithm>
#include <cmath>

namespace traind::server {
namespace {

using Points = std::vector<Curve::Point>;

// Writes what stays of the bucket [begin, end) to `out`, which is not behind `begin`; gives the end of what it wrote.
Points::iterator KeepOfBucket(Points::const_iterator begin, Points::const_iterator end, Points::const_iterator first,
                              Points::const_iterator last, Points::iterator out) {
  auto low = end, high = end, nan = end;
  for (auto point = begin; point != end; ++point) {
    if (std::isnan(point->value)) {
      if (nan == end) nan = point;
      continue;
    }
    if (low == end || point->value < low->value) low = point;
    if (high == end || point->value > high->value) high = point;
  }
  for (auto point = begin; point != end; ++point) {
    const bool kept = point == low || point == high || point == nan || point == first || point == last;
    if (kept) *out++ = *point;
  }
  return out;
}

}  // namespace

void Curve::Add(Point point, size_t most) {
  points_.push_back(point);
  ++total_;
  if (points_.size() > most) Limit(most / 4 * 3);  // Not with each point.
}

void Curve::Limit(size_t most) {
  if (points_.size() > most) Thin();  // Those that came last have not shared buckets yet.
  while (points_.size() > std::max(most, kFewest / 4 * 3)) {
    ++bucket_bits_;
    Thin();
  }
}

uint64_t Curve::BucketOf(uint64_t step) const { return bucket_bits_ < 64 ? step >> bucket_bits_ : 0; }

void Curve::Thin() {
  const auto first = points_.cbegin(), last = points_.cend() - 1;
  auto out = points_.begin();
  for (auto begin = first; begin != points_.cend();) {
    const uint64_t bucket = BucketOf(begin->step);
    const auto end =
        std::find_if(begin, points_.cend(), [&](const Point& point) { return BucketOf(point.step) != bucket; });
    out = KeepOfBucket(begin, end, first, last, out);
    begin = end;
  }
  points_.erase(out, points_.end());
}

}  // namespace traind::server
