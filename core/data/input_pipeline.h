// From the examples of a dataset to the input of a network: the augmentation of training, the look that stands for it
// where nothing is drawn at random, and the preprocessing; with the split that a job trains on, where there is one. All
// readers of examples go through it. Immutable after Fit or Load, and then thread-safe; users of its parts (loaders,
// for example) must not outlive it, nor see it moved.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "core/base/errors.h"
#include "core/data/augmentation/augmenter.h"
#include "core/data/augmentation/views.h"
#include "core/data/dataset_dir.h"
#include "core/data/preprocessing/preprocessor.h"
#include "core/tensor/tensor.h"
#include "traind/v1/event.pb.h"
#include "traind/v1/job.pb.h"

namespace traind::core {

// What max_train_examples and max_evaluation_examples leave of a split.
enum class Limit : uint8_t {
  kSample,
  kFirst,  // The first ones: of jobs that were accepted before version 0.3.
};

class InputPipeline {
 public:
  // Checks the augmentation and the preprocessing of `data` and fills in their defaults, for a dataset whose examples
  // have the shape `stored`; null when that is not known (then only blends() is of use). Violations go to `errors`, the
  // scope of `data`; the result is meaningful only when there were none.
  static InputPipeline Create(v1::DataSpec& data, const Shape* stored, const FieldErrors& errors);
  // Without a split. `data` is resolved, so that a violation is a fault (INVALID_ARGUMENT).
  static absl::StatusOr<InputPipeline> Make(v1::DataSpec data, const Shape& stored);
  // With the training split of `data`, a resolved one, from the dataset in the folder. Errors of OpenSplit, too.
  static absl::StatusOr<InputPipeline> Open(const std::string& dataset_dir, const v1::DataSpec& data,
                                            Limit meaning = Limit::kSample);

  // Of an example after the augmentation, and after the preprocessing: the network's input.
  const Shape& augmented_shape() const { return augmenter_.output_shape(); }
  const Shape& output_shape() const { return preprocessor_.output_shape(); }
  // Whether minibatches are blended, so that class labels become soft ones.
  bool blends() const { return augmenter_.blends(); }
  // What fitting takes at most, beside the examples.
  int64_t memory_bytes() const { return preprocessor_.memory_bytes(); }

  const Augmenter& augmenter() const { return augmenter_; }
  const Preprocessor& preprocessor() const { return preprocessor_; }
  const Views& first_look() const { return first_look_; }
  // Only after Open.
  const Split& split() const { return *split_; }
  bool is_own_target() const { return is_own_target_; }  // The network learns its input: no target is read.

  // How images of the shape `image` are looked at with this `config`, a resolved one (INVALID_ARGUMENT: they cannot
  // be).
  absl::StatusOr<Views> LooksAt(const Shape& image, const v1::TestTime& config) const;

  // Learns from the training split, once: the augmentation from what is stored, the preprocessing from the first looks.
  // `progress` is called now and then. Errors of Augmenter::Fit and Preprocessor::Fit.
  absl::Status Fit(const std::function<void()>& progress = [] {});
  // What a person should know of the examples that Fit saw.
  std::vector<std::string> warnings() const;
  // What the fitted preprocessing does to the examples that it was fitted on.
  v1::PreprocessingReport Report(const std::function<void()>& progress) const;
  // What was learned, for Load: DATA_LOSS names a tensor that is missing, has another shape or is not finite.
  std::vector<Tensor> learned() const;
  absl::Status Load(absl::Span<const Tensor> learned);
  // The augmentation alone, beside a preprocessing that was loaded.
  absl::Status FitAugmentation(const std::function<void()>& progress) {
    return augmenter_.Fit(AsStored(*split_), progress);
  }
  // Without the augmentation, for what does not train.
  absl::Status LoadPreprocessing(absl::Span<const Tensor> learned) { return preprocessor_.Load(learned); }

 private:
  Augmenter augmenter_;
  Views first_look_;
  Preprocessor preprocessor_;
  std::optional<Split> split_;
  bool is_own_target_ = false;
};

// The examples that a job trains on, evaluates, and tests with in the end. `data` is resolved. Errors of OpenSplit.
absl::StatusOr<Split> OpenTrainingSplit(const std::string& dataset_dir, const v1::DataSpec& data,
                                        Limit meaning = Limit::kSample);
absl::StatusOr<Split> OpenEvaluationSplit(const std::string& dataset_dir, const v1::DataSpec& data,
                                          Limit meaning = Limit::kSample);
absl::StatusOr<Split> OpenTestSplit(const std::string& dataset_dir, const v1::DataSpec& data);
// All of the split of this name, which may be the part that `data` holds out.
absl::StatusOr<Split> OpenNamedSplit(const std::string& dataset_dir, const v1::DataSpec& data, const std::string& name);

}  // namespace traind::core
