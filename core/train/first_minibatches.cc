#include "core/train/first_minibatches.h"

namespace traind::core {

absl::StatusOr<std::vector<std::vector<float>>> FirstMinibatches(const InputPipeline& input,
                                                                 const BatchLoader::Options& options) {
  auto loader = BatchLoader::Start(input.split(), input.preprocessor(), options);
  if (!loader.ok()) return loader.status();
  std::vector<std::vector<float>> minibatches;
  while (const Batch* batch = (*loader)->Next()) {
    minibatches.emplace_back(batch->examples, batch->examples + options.batch * Elements(input.output_shape()));
  }
  return minibatches;
}

}  // namespace traind::core
