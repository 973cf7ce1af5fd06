#include "core/job/resolve_data.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/data/augmentation/augmenter.h"
#include "core/data/dataset_dir.h"
#include "core/data/preprocessing/preprocessor.h"
#include "core/tensor/tensor.h"

namespace traind::core {
namespace {

constexpr char kNoSplit[] = "none";

const v1::DatasetSplit* FindSplit(const v1::Dataset& dataset, const std::string& name) {
  for (const auto& split : dataset.splits()) {
    if (split.name() == name) return &split;
  }
  return nullptr;
}

// The split, or null after a violation that lists those there are. An empty one is a violation too.
const v1::DatasetSplit* RequireSplit(const v1::Dataset& dataset, const std::string& name, const FieldErrors& errors) {
  const v1::DatasetSplit* found = FindSplit(dataset, name);
  if (found == nullptr) {
    std::vector<std::string> known;
    for (const auto& split : dataset.splits()) known.push_back(split.name());
    errors.Add(absl::StrCat(dataset.name(), " has no split \"", name, "\"; it has: ", absl::StrJoin(known, ", ")));
  } else if (found->num_examples() == 0) {
    errors.Add(absl::StrCat("\"", name, "\" is empty"));
  }
  return found;
}

}  // namespace

ResolvedData ResolveData(v1::DataSpec& data, const v1::Dataset* dataset, const FieldErrors& errors) {
  if (dataset != nullptr) data.set_dataset(dataset->name());
  if (data.train_split().empty()) data.set_train_split("train");
  if (data.evaluation_split().empty()) {
    data.set_evaluation_split(dataset == nullptr || FindSplit(*dataset, "test") != nullptr ? "test" : kNoSplit);
  }
  ResolvedData resolved;
  if (dataset == nullptr) {
    resolved.blends = Augmenter::Create(data.mutable_augmentation(), nullptr, errors).blends();
    Preprocessor::Create(data.mutable_preprocessing(), nullptr, errors);
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
  const Augmenter augmenter = Augmenter::Create(data.mutable_augmentation(), &stored, errors);
  resolved.augmented = augmenter.output_shape();
  resolved.blends = augmenter.blends();
  const Preprocessor preprocessor = Preprocessor::Create(data.mutable_preprocessing(), &resolved.augmented, errors);
  resolved.input_shape = preprocessor.output_shape();
  resolved.preprocessing_bytes = preprocessor.memory_bytes();
  augmenter.CheckPreprocessed(resolved.input_shape, data.augmentation(), errors);
  if (data.evaluation_split() != kNoSplit) {
    RequireSplit(*dataset, data.evaluation_split(), errors.At("evaluation_split"));
  }
  const v1::DatasetSplit* train = RequireSplit(*dataset, data.train_split(), errors.At("train_split"));
  if (train == nullptr) return resolved;
  resolved.examples = FirstOf(train->num_examples(), data.max_train_examples());
  return resolved;
}

int64_t PrefetchThreads(const v1::DataSpec& data) { return std::max(1u, data.prefetch_threads()); }

}  // namespace traind::core
