// The order in which a split's examples are trained on: a pure function of (seed, epoch), so that a resume needs only
// the step. Thread-safe.
#pragma once

#include <cstdint>
#include <vector>

namespace traind::core {

class Sampler {
 public:
  struct Options {
    int64_t examples = 0;    // At least `batch`.
    int64_t batch = 0;       // At least 1.
    bool shuffled = true;    // A new order each epoch; else as stored.
    bool keep_last = false;  // The last, smaller batch of an epoch is one, too.
    uint64_t seed = 0;
  };

  explicit Sampler(const Options& options) : options_(options) {}

  int64_t steps_per_epoch() const {
    const bool last = options_.keep_last && options_.examples % options_.batch > 0;
    return options_.examples / options_.batch + (last ? 1 : 0);
  }

  // The indices of all examples in the order of `epoch`: uniform over all orders (Fisher & Yates 1938; Durstenfeld
  // 1964), driven by RandomStream(seed, Purpose::kShuffle, 0). `order` keeps its memory from call to call.
  void Order(uint64_t epoch, std::vector<uint32_t>* order) const;

 private:
  Options options_;
};

}  // namespace traind::core
