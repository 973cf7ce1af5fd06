#include "core/data/input_pipeline.h"

#include <utility>

#include "core/data/held_out.h"
#include "core/data/viewed_examples.h"

namespace traind::core {
namespace {

absl::StatusOr<Split> Limited(absl::StatusOr<Split> split, uint64_t limit, Limit meaning) {
  if (split.ok()) meaning == Limit::kFirst ? split->TakeFirst(limit) : split->TakeSample(limit);
  return split;
}

// The training split without what is held out, or that alone.
absl::StatusOr<Split> OpenHalf(const std::string& dataset_dir, const v1::DataSpec& data, bool held_out) {
  auto split = OpenSplit(dataset_dir, data.train_split());
  if (!split.ok()) return split;
  const std::vector<uint32_t> places = HeldOutPlaces(data, split->size(), split->labels());
  if (held_out) {
    split->Take(places, kHeldOutName);
  } else {
    split->Take(AllBut(places, split->size()), data.train_split());
  }
  return split;
}

}  // namespace

InputPipeline InputPipeline::Create(v1::DataSpec& data, const Shape* stored, const FieldErrors& errors) {
  const int before = errors.count();
  InputPipeline pipeline;
  pipeline.is_own_target_ = data.targets() == v1::TARGET_SOURCE_INPUT;
  pipeline.augmenter_ = Augmenter::Create(data.mutable_augmentation(), stored, errors);
  const Shape* augmented = stored == nullptr ? nullptr : &pipeline.augmented_shape();
  pipeline.preprocessor_ = Preprocessor::Create(data.mutable_preprocessing(), augmented, errors);
  if (stored == nullptr) return pipeline;
  pipeline.augmenter_.CheckPreprocessed(pipeline.output_shape(), data.augmentation(), errors);
  if (errors.count() == before) pipeline.first_look_ = Views::Create({}, *stored, *augmented, errors);
  return pipeline;
}

absl::StatusOr<InputPipeline> InputPipeline::Make(v1::DataSpec data, const Shape& stored) {
  FieldErrors::Root errors;
  InputPipeline pipeline = Create(data, &stored, errors.scope("data"));
  if (!errors.ok()) return errors.ToStatus();
  return pipeline;
}

absl::StatusOr<InputPipeline> InputPipeline::Open(const std::string& dataset_dir, const v1::DataSpec& data,
                                                  Limit meaning) {
  auto split = OpenTrainingSplit(dataset_dir, data, meaning);
  if (!split.ok()) return split.status();
  auto pipeline = Make(data, split->example_shape());
  if (pipeline.ok()) pipeline->split_ = *std::move(split);
  return pipeline;
}

absl::StatusOr<Views> InputPipeline::LooksAt(const Shape& image, const v1::TestTime& config) const {
  FieldErrors::Root errors;
  Views views = Views::Create(config, image, augmented_shape(), errors.scope("test_time"));
  if (!errors.ok()) return errors.ToStatus();
  return views;
}

absl::Status InputPipeline::Fit(const std::function<void()>& progress) {
  if (absl::Status status = augmenter_.Fit(AsStored(*split_), progress); !status.ok()) return status;
  ViewedExamples viewed(AsStored(*split_), first_look_);
  return preprocessor_.Fit(viewed.FirstLooks(), progress);
}

std::vector<std::string> InputPipeline::warnings() const {
  std::vector<std::string> all = augmenter_.warnings();
  for (std::string& warning : preprocessor_.warnings()) all.push_back(std::move(warning));
  return all;
}

v1::PreprocessingReport InputPipeline::Report(const std::function<void()>& progress) const {
  ViewedExamples viewed(AsStored(*split_), first_look_);
  return preprocessor_.Report(viewed.FirstLooks(), progress);
}

std::vector<Tensor> InputPipeline::learned() const {
  std::vector<Tensor> all = preprocessor_.parameters();
  for (Tensor& tensor : augmenter_.parameters()) all.push_back(std::move(tensor));
  return all;
}

absl::Status InputPipeline::Load(absl::Span<const Tensor> learned) {
  if (absl::Status status = preprocessor_.Load(learned); !status.ok()) return status;
  return augmenter_.Load(learned);
}

absl::StatusOr<Split> OpenTrainingSplit(const std::string& dataset_dir, const v1::DataSpec& data, Limit meaning) {
  auto all = HoldsOut(data) ? OpenHalf(dataset_dir, data, false) : OpenSplit(dataset_dir, data.train_split());
  return Limited(std::move(all), data.max_train_examples(), meaning);
}

absl::StatusOr<Split> OpenEvaluationSplit(const std::string& dataset_dir, const v1::DataSpec& data, Limit meaning) {
  return Limited(OpenNamedSplit(dataset_dir, data, data.evaluation_split()), data.max_evaluation_examples(), meaning);
}

absl::StatusOr<Split> OpenTestSplit(const std::string& dataset_dir, const v1::DataSpec& data) {
  return Limited(OpenSplit(dataset_dir, data.test_split()), data.max_test_examples(), Limit::kSample);
}

absl::StatusOr<Split> OpenNamedSplit(const std::string& dataset_dir, const v1::DataSpec& data,
                                     const std::string& name) {
  return IsHeldOutPart(data, name) ? OpenHalf(dataset_dir, data, true) : OpenSplit(dataset_dir, name);
}

}  // namespace traind::core
