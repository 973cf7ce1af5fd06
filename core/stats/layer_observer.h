// Statistics of one layer's output: everything in LayerStatistics from one pass over memory (lecture slides 48-64).
// Knows the layouts of the kernels and never counts padding. Deterministic: partial sums depend only on the shape and
// the number of threads. Not thread-safe; splits its own work with ParallelFor; allocates only when it is made.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/types/span.h"
#include "core/kinds/activation.h"
#include "core/tensor/layout.h"
#include "traind/v1/statistics.pb.h"

namespace traind::core {

class LayerObserver {
 public:
  struct Options {
    int bins = 64;                           // 64 to 256.
    int dead_window = 5;                     // Observed steps in a row without a non-zero value that make a unit dead.
    const Activation* activation = nullptr;  // Of the layer, or null; outlives the observer.
  };

  LayerObserver(const Layout& layout, const Options& options);
  // What one takes, with as many threads as there are now.
  static int64_t BytesFor(const Layout& layout, const Options& options);
  ~LayerObserver();

  // Looks at one minibatch: `output` in the observer's layout; `derivative_source` is the tensor that
  // Activation::derivative_source() names, in the layout given (null: no saturation is reported).
  void Observe(const void* output, const void* derivative_source, const Layout& source_layout);

  // The numbers of the last Observe, without `layer` and `shape`.
  void Report(v1::LayerStatistics* statistics) const;
  int64_t nan_count() const;  // Of the last Observe.

  // What a checkpoint must hold: for each unit, the observed steps in a row in which it was silent, as floats.
  absl::Span<float> silent_steps();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace traind::core
