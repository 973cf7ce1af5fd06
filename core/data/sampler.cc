#include "core/data/sampler.h"

#include <array>
#include <numeric>
#include <utility>

#include "core/base/random.h"

namespace traind::core {
namespace {

// Uniform in [0, bound) without bias, from `word` or, in the rare case that it has to be rejected, from further words
// (Lemire, "Fast random integer generation in an interval", 2019).
uint32_t Below(const RandomStream& random, uint64_t epoch, uint32_t position, uint32_t word, uint32_t bound) {
  uint64_t product = uint64_t{word} * bound;
  const uint32_t threshold = (0u - bound) % bound;
  for (uint32_t retry = 1; static_cast<uint32_t>(product) < threshold; ++retry) {
    product = uint64_t{random.Block(epoch, position, retry)[0]} * bound;
  }
  return static_cast<uint32_t>(product >> 32);
}

}  // namespace

void Sampler::Order(uint64_t epoch, std::vector<uint32_t>* order) const {
  const uint32_t n = static_cast<uint32_t>(options_.examples);
  order->resize(n);
  std::iota(order->begin(), order->end(), 0u);
  if (!options_.shuffled) return;
  const RandomStream random(options_.seed, Purpose::kShuffle, 0);
  std::array<uint32_t, 4> words = {};
  for (uint32_t i = n; i-- > 1;) {
    // One block serves four positions; index 0 is never used for a retry.
    if (i % 4 == 3 || i == n - 1) words = random.Block(epoch, i / 4, 0);
    std::swap((*order)[i], (*order)[Below(random, epoch, i, words[i % 4], i + 1)]);
  }
}

}  // namespace traind::core
