// Batches for the step loop, made by a thread of its own while the step before runs. The thread uses no OpenMP: the
// training threads are busy. Nothing is allocated per step. Used by one thread.
#pragma once

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "core/data/dataset_dir.h"
#include "core/data/preprocessing/preprocessor.h"

namespace traind::core {

struct Batch {
  const float* examples = nullptr;  // [batch, ...] row-major, 64-byte aligned, preprocessed.
  const int32_t* labels = nullptr;  // [batch], or null with targets.
  const float* targets = nullptr;   // [batch, target_width] row-major, or null with labels.
  int64_t count = 0;                // Examples that are real; zeros (and label 0) fill the rest.
  uint64_t step = 0;                // From 0.
  uint64_t epoch = 0;
};

class BatchLoader {
 public:
  struct Options {
    int64_t batch = 0;     // 1 to kMaxExamples.
    bool shuffled = true;  // Else as stored.
    uint64_t seed = 0;
    bool keep_partial = false;  // One pass over all examples, the last batch filled up; for evaluation.
    uint64_t first_step = 0;    // Steps done before: where a resume goes on.
    uint64_t end_step = 0;      // One past the last; with keep_partial the end of the pass instead.
  };
  // As stored, each example once.
  static Options Evaluation(int64_t batch) { return {.batch = batch, .shuffled = false, .keep_partial = true}; }

  // `split` and `preprocessor` must outlive the loader and fit each other (FAILED_PRECONDITION). INVALID_ARGUMENT when
  // the batch is larger than the split and partial batches are dropped; RESOURCE_EXHAUSTED without memory or threads.
  static absl::StatusOr<std::unique_ptr<BatchLoader>> Start(const Split& split, const Preprocessor& preprocessor,
                                                            const Options& options);
  ~BatchLoader();

  // The next batch, valid until the next call; null after the last.
  const Batch* Next();

 private:
  struct State;
  explicit BatchLoader(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
};

}  // namespace traind::core
