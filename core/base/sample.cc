#include "core/base/sample.h"

#include <algorithm>
#include <numeric>

#include "core/base/random.h"

namespace traind::core {
namespace {

constexpr Purpose kSample("sample");

struct ClassShare {
  int64_t left = 0;    // Examples of the class that were not looked at yet.
  int64_t wanted = 0;  // So many of these are still to be chosen.
};

std::vector<ClassShare> CountClasses(int64_t examples, absl::Span<const int32_t> labels) {
  if (labels.empty()) return {{.left = examples}};
  std::vector<ClassShare> classes(static_cast<size_t>(*std::max_element(labels.begin(), labels.end())) + 1);
  for (const int32_t label : labels) ++classes[label].left;
  return classes;
}

// Hamilton's method: the floor of each share, and one more for those with the largest remainders.
void Apportion(int64_t examples, int64_t count, std::vector<ClassShare>& classes) {
  int64_t rest = count;
  for (ClassShare& one : classes) {
    one.wanted = count * one.left / examples;
    rest -= one.wanted;
  }
  std::vector<size_t> order(classes.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return count * classes[a].left % examples > count * classes[b].left % examples;
  });
  for (int64_t i = 0; i < rest; ++i) ++classes[order[i]].wanted;
}

}  // namespace

std::vector<uint32_t> SampleOf(int64_t examples, int64_t count, absl::Span<const int32_t> labels) {
  std::vector<uint32_t> chosen(static_cast<size_t>(std::min(examples, count)));
  if (count >= examples) {
    std::iota(chosen.begin(), chosen.end(), 0u);
    return chosen;
  }
  std::vector<ClassShare> classes = CountClasses(examples, labels);
  Apportion(examples, count, classes);
  // Selection sampling (Fan, Muller & Rezucha 1962; Knuth, The Art of Computer Programming 2, algorithm 3.4.2 S).
  const RandomStream random(0, kSample, 0);
  size_t next = 0;
  for (int64_t i = 0; i < examples; ++i) {
    ClassShare& one = classes[labels.empty() ? 0 : labels[i]];
    const uint64_t drawn = random.Block(0, static_cast<uint32_t>(i), 0)[0];
    const bool takes = (drawn * static_cast<uint64_t>(one.left--)) >> 32 < static_cast<uint64_t>(one.wanted);
    if (!takes) continue;
    --one.wanted;
    chosen[next++] = static_cast<uint32_t>(i);
  }
  return chosen;
}

}  // namespace traind::core
