#include "core/plan/arena.h"

#include <algorithm>
#include <bit>
#include <numeric>
#include <vector>

#include "core/tensor/buffer.h"

namespace traind::core {
namespace {

// A set of addresses, as runs in their order that do not touch.
class Addresses {
 public:
  void Add(int64_t begin, int64_t end) {
    const size_t first = RunFrom(begin);
    size_t last = first;
    for (; last < runs_.size() && runs_[last].begin <= end; ++last) {
      begin = std::min(begin, runs_[last].begin);
      end = std::max(end, runs_[last].end);
    }
    const auto at = runs_.begin() + static_cast<int64_t>(first);
    if (first == last) {
      runs_.insert(at, {begin, end});
    } else {
      *at = {begin, end};
      runs_.erase(at + 1, runs_.begin() + static_cast<int64_t>(last));
    }
  }

  // The lowest offset from `offset` on that has `bytes` > 0 free behind it.
  int64_t FirstFree(int64_t offset, int64_t bytes) const {
    for (size_t i = RunFrom(offset); i < runs_.size() && runs_[i].begin < offset + bytes; ++i) {
      offset = std::max(offset, runs_[i].end);
    }
    return offset;
  }

  // All addresses below it are in the set.
  int64_t solid() const { return runs_.empty() || runs_[0].begin > 0 ? 0 : runs_[0].end; }

 private:
  struct Run {
    int64_t begin;
    int64_t end;
  };
  // The first that ends at `address` or behind it. Most ask for what is behind all runs.
  size_t RunFrom(int64_t address) const {
    if (runs_.empty() || runs_.back().end < address) return runs_.size();
    return static_cast<size_t>(
        std::partition_point(runs_.begin(), runs_.end(), [&](const Run& run) { return run.end < address; }) -
        runs_.begin());
  }

  std::vector<Run> runs_;
};

// The addresses in use at each time: a segment tree over times. A lifetime is kept at the few nodes whose spans make it
// up, so that a search asks about as many sets as the logarithm of the times, where a list of all values would be gone
// through for each.
class Occupancy {
 public:
  explicit Occupancy(int times) : times_(times), nodes_(2 * std::bit_ceil(static_cast<size_t>(times))) {}

  void Add(const Lifetime& lifetime, int64_t begin, int64_t end) {
    Visit({.node = 1, .begin = 0, .end = times_}, lifetime, [&](Node& node, bool filled) {
      node.within.Add(begin, end);
      if (filled) node.throughout.Add(begin, end);
    });
  }

  // The lowest offset with `bytes` > 0 behind it that are not in use at any time of `lifetime`.
  int64_t FirstFree(const Lifetime& lifetime, int64_t bytes) {
    std::vector<const Addresses*> used;
    Visit({.node = 1, .begin = 0, .end = times_}, lifetime,
          [&](const Node& node, bool filled) { used.push_back(filled ? &node.within : &node.throughout); });
    int64_t offset = 0;
    for (const Addresses* addresses : used) offset = std::max(offset, addresses->solid());
    for (size_t agreed = 0, i = 0; agreed < used.size(); i = (i + 1) % used.size()) {
      const int64_t free = used[i]->FirstFree(offset, bytes);
      agreed = free == offset ? agreed + 1 : 1;
      offset = free;
    }
    return offset;
  }

 private:
  struct Node {
    Addresses within;      // Of all lifetimes kept here or below.
    Addresses throughout;  // Of those kept here.
  };
  struct Span {
    size_t node;
    int begin;
    int end;
  };

  // Calls visit(node, filled) for the nodes whose spans meet the lifetime, down to those that it fills.
  template <class Visitor>
  void Visit(const Span& span, const Lifetime& lifetime, const Visitor& visit) {
    if (lifetime.last < span.begin || span.end <= lifetime.first) return;
    const bool filled = lifetime.first <= span.begin && span.end <= lifetime.last + 1;
    visit(nodes_[span.node], filled);
    if (filled) return;
    const int middle = span.begin + (span.end - span.begin) / 2;
    Visit({.node = 2 * span.node, .begin = span.begin, .end = middle}, lifetime, visit);
    Visit({.node = 2 * span.node + 1, .begin = middle, .end = span.end}, lifetime, visit);
  }

  const int times_;
  std::vector<Node> nodes_;  // From 1; the halves of node k are 2 k and 2 k + 1.
};

}  // namespace

ArenaLayout PlaceInArena(absl::Span<const Lifetime> lifetimes) {
  std::vector<int> by_size(lifetimes.size());
  std::iota(by_size.begin(), by_size.end(), 0);
  std::stable_sort(by_size.begin(), by_size.end(),
                   [&](int a, int b) { return lifetimes[a].bytes > lifetimes[b].bytes; });
  int times = 0;
  for (const Lifetime& lifetime : lifetimes) times = std::max(times, lifetime.last + 1);

  ArenaLayout layout;
  layout.offsets.resize(lifetimes.size());
  Occupancy occupancy(times);
  for (int i : by_size) {
    constexpr int64_t kAlignment = Buffer::kAlignment;
    const int64_t bytes = (lifetimes[i].bytes + kAlignment - 1) / kAlignment * kAlignment;
    if (bytes == 0) continue;  // At 0, with whatever is there.
    const int64_t offset = occupancy.FirstFree(lifetimes[i], bytes);
    occupancy.Add(lifetimes[i], offset, offset + bytes);
    layout.offsets[i] = offset;
    layout.bytes = std::max(layout.bytes, offset + bytes);
  }
  return layout;
}

}  // namespace traind::core
