#include "core/job/resolve_data.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "core/data/dataset_dir.h"
#include "core/data/held_out.h"
#include "core/data/input_pipeline.h"

namespace traind::core {

ResolvedData ResolveData(v1::DataSpec& data, const v1::Dataset* dataset, const FieldErrors& errors) {
  if (dataset != nullptr) data.set_dataset(dataset->name());
  if (data.targets() == v1::TARGET_SOURCE_UNSPECIFIED) data.set_targets(v1::TARGET_SOURCE_DATASET);
  const int64_t examples = ResolveSplits(data, dataset, errors);
  ResolvedData resolved;
  if (dataset == nullptr) {
    resolved.blends = InputPipeline::Create(data, nullptr, errors).blends();
    return resolved;
  }
  const Shape& stored = resolved.stored;
  resolved.stored.assign(dataset->example_shape().begin(), dataset->example_shape().end());
  if (data.example_shape().empty()) data.mutable_example_shape()->Assign(stored.begin(), stored.end());
  if (Shape(data.example_shape().begin(), data.example_shape().end()) != stored) {
    errors.At("example_shape")
        .Add(absl::StrCat("is ", ToString(data.example_shape()), ", but the examples of ", dataset->name(), " are ",
                          ToString(stored), "; leave it out"));
  }
  const InputPipeline input = InputPipeline::Create(data, &stored, errors);
  resolved.augmented = input.augmented_shape();
  resolved.input_shape = input.output_shape();
  resolved.blends = input.blends();
  resolved.preprocessing_bytes = input.memory_bytes();
  resolved.examples = examples;
  return resolved;
}

Shape StoredShape(const v1::JobSpec& spec) {
  const auto& known = spec.data().example_shape();
  const auto& shape = known.empty() ? spec.network().input_shape() : known;
  return {shape.begin(), shape.end()};
}

int64_t PrefetchThreads(const v1::DataSpec& data) { return std::max(1u, data.prefetch_threads()); }

}  // namespace traind::core
