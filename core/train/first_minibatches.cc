#include "core/train/first_minibatches.h"

namespace traind::core {

absl::StatusOr<std::vector<std::vector<float>>> FirstMinibatches(const Split& split, const Preprocessor& preprocessor,
                                                                 const BatchLoader::Options& options) {
  auto loader = BatchLoader::Start(split, preprocessor, options);
  if (!loader.ok()) return loader.status();
  std::vector<std::vector<float>> minibatches;
  while (const Batch* batch = (*loader)->Next()) {
    minibatches.emplace_back(batch->examples, batch->examples + options.batch * preprocessor.output_elements());
  }
  return minibatches;
}

}  // namespace traind::core
