#include "core/plan/arena.h"

#include <algorithm>
#include <bit>
#include <iterator>
#include <map>
#include <numeric>

#include "core/tensor/buffer.h"

namespace traind::core {
namespace {

// A set of addresses, as runs [begin, end) that do not touch.
class Addresses {
 public:
  void Add(int64_t begin, int64_t end) {
    auto next = runs_.upper_bound(begin);
    if (next != runs_.begin() && std::prev(next)->second >= begin) begin = (--next)->first;
    for (; next != runs_.end() && next->first <= end; next = runs_.erase(next)) end = std::max(end, next->second);
    runs_.emplace_hint(next, begin, end);
  }

  // The lowest offset from `offset` on that has `bytes` free behind it.
  int64_t FirstFree(int64_t offset, int64_t bytes) const {
    auto run = runs_.upper_bound(offset);
    if (run != runs_.begin() && std::prev(run)->second > offset) --run;
    for (; run != runs_.end() && run->first < offset + bytes; ++run) offset = run->second;
    return offset;
  }

 private:
  std::map<int64_t, int64_t> runs_;  // Ends by begins.
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

  // The lowest offset where nothing is in use at any time of `lifetime`.
  int64_t FirstFree(const Lifetime& lifetime, int64_t bytes) {
    std::vector<const Addresses*> used;
    Visit({.node = 1, .begin = 0, .end = times_}, lifetime,
          [&](const Node& node, bool filled) { used.push_back(filled ? &node.within : &node.throughout); });
    int64_t offset = 0;
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
    const int64_t offset = occupancy.FirstFree(lifetimes[i], bytes);
    occupancy.Add(lifetimes[i], offset, offset + bytes);
    layout.offsets[i] = offset;
    layout.bytes = std::max(layout.bytes, offset + bytes);
  }
  return layout;
}

}  // namespace traind::core
