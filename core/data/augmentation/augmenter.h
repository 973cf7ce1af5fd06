// The ordered list of augmentations of a job: what happens to a training example between the dataset and the
// preprocessing, and to a minibatch after it. Every number depends on (seed, place in the list, step, example in the
// minibatch) alone. Immutable after Fit or Load, and then thread-safe; each thread has a Workspace of its own.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "core/base/errors.h"
#include "core/kinds/augmentation.h"
#include "core/kinds/learned.h"
#include "core/kinds/raw_examples.h"
#include "core/tensor/buffer.h"
#include "core/tensor/tensor.h"
#include "google/protobuf/repeated_ptr_field.h"
#include "traind/v1/augmentation.pb.h"

namespace traind::core {

class Augmenter {
 public:
  using Config = google::protobuf::RepeatedPtrField<v1::Augmentation>;

  // Checks `config` and fills in its defaults. `example_shape` is null when it is not known (then only the config is
  // checked, and the result is of no further use). Violations go to `errors`, the scope of the message that holds the
  // field `augmentation`; the result is meaningful only when there were none.
  static Augmenter Create(Config* config, const Shape* example_shape, const FieldErrors& errors);

  // Of an example after the list; the network's input, where no preprocessing changes it.
  const Shape& output_shape() const { return output_shape_; }
  // What blends minibatches sees examples after the preprocessing, of this shape. `config` and `errors` are those given
  // to Create; an augmentation that the shape does not suit is a violation.
  void CheckPreprocessed(const Shape& shape, const Config& config, const FieldErrors& errors) const;
  bool changes_images() const { return !image_steps_.empty(); }
  // Whether minibatches are blended, so that class labels become soft ones.
  bool blends() const { return !batch_steps_.empty(); }

  // Learns what there is to learn from all `examples`. Deterministic; `progress` is called now and then.
  // INVALID_ARGUMENT when what was learned is not finite.
  absl::Status Fit(
      const RawExamples& examples, const std::function<void()>& progress = [] {});
  // What a person should know of what Fit saw, each with its place in the list.
  std::vector<std::string> warnings() const { return AllWarnings("augmentation", all_); }
  // What was learned, as "augmentation.2.factor".
  std::vector<Tensor> parameters() const;
  // Takes it back from among `tensors`. DATA_LOSS names one that is missing, has another shape or is not finite.
  absl::Status Load(absl::Span<const Tensor> tensors);

  // Which random numbers.
  struct Key {
    uint64_t seed = 0;
    uint64_t step = 0;
    uint32_t example = 0;  // Place in the minibatch.
  };

  // The memory of one thread.
  class Workspace {
   public:
    // RESOURCE_EXHAUSTED without memory.
    static absl::StatusOr<Workspace> For(const Augmenter& augmenter, v1::ElementType type);

   private:
    friend class Augmenter;
    ImageAugmentation::Workspace images_;
    std::array<Buffer, 2> buffers_;
  };

  // The image after the list, valid until the next call with the same workspace. Allocates nothing.
  ImageView Apply(const ImageView& image, const Key& key, Workspace& workspace) const;

  // Blends the minibatch of `key.step`; the result is in one of the two, which is returned: `minibatch` or `spare`, of
  // the same size. Allocates nothing once `pairing` has grown.
  const Minibatch& Blend(const Minibatch& minibatch, const Minibatch& spare, const Key& key,
                         BatchAugmentation::Pairing& pairing) const;

 private:
  struct Step {
    uint32_t place;  // In the list.
    double probability;
    const ImageAugmentation* image = nullptr;
    const AffineAugmentation* affine = nullptr;
    const BatchAugmentation* batch = nullptr;
  };
  void Add(v1::Augmentation& config, int place, Shape* shape, const FieldErrors& errors);

  Shape output_shape_;
  Shape largest_;  // Each side as long as it gets anywhere in the list.
  std::vector<std::unique_ptr<Augmentation>> all_;
  std::vector<Step> image_steps_;
  std::vector<Step> batch_steps_;
};

}  // namespace traind::core
