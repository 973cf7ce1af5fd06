// What every kind of augmentation is (lecture slides 88-99). One kind is one .cc file in core/data/augmentation,
// registered for its message of v1::Augmentation, and one of three interfaces: it changes an image in memory
// (ImageAugmentation), it maps coordinates (AffineAugmentation: several in a row are resampled once), or it blends the
// examples of a minibatch (BatchAugmentation). All randomness is in the Draw they are given. Const methods may run in
// several threads.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "core/base/errors.h"
#include "core/base/registry.h"
#include "core/base/require.h"
#include "core/kinds/draw.h"
#include "core/kinds/image_view.h"
#include "core/kinds/resample.h"
#include "core/kinds/transform.h"
#include "core/tensor/tensor.h"
#include "traind/v1/augmentation.pb.h"

namespace traind::core {

class Augmentation {
 public:
  virtual ~Augmentation() = default;

  // The shape of the examples that come in; gives the shape of those that go out. Called once, before the rest. A shape
  // that does not suit is a violation.
  virtual Shape SetShape(const Shape& shape, const FieldErrors& /*errors*/) { return shape; }
  virtual double default_probability() const { return 1; }

  // What is learned from the training split, as the preprocessing learns (transform.h); `pixels` of each channel.
  virtual bool needs_fit() const { return false; }
  virtual void Fit(const TrainingExamples& /*examples*/, int64_t /*pixels*/) {}
  virtual std::vector<std::string> warnings() const { return {}; }
  virtual std::vector<Tensor> parameters() const { return {}; }
  virtual std::vector<Tensor> parameter_shapes() const { return {}; }
  virtual void SetParameters(absl::Span<const Tensor> /*parameters*/) {}
};

class ImageAugmentation : public Augmentation {
 public:
  // The image, and room for another: for the largest of the list. An implementation writes `image` in place, or writes
  // `spare`, its size included, and swaps the two.
  struct Workspace {
    ImageView image;
    ImageView spare;
    Resampler resampler;
    std::vector<float> row;  // Room for one of the widest image.

    // Makes `spare` an image like `image`, but of this size.
    void ShapeSpare(int64_t height, int64_t width) { spare = {image.type, image.channels, height, width, spare.data}; }
  };
  virtual void Apply(Draw& draw, Workspace& work) const = 0;
};

class AffineAugmentation : public Augmentation {
 public:
  // From a place in the result to the place in the image that is seen there.
  virtual Affine Map(Draw& draw, int64_t height, int64_t width) const = 0;
  virtual v1::Border border() const = 0;
};

// A minibatch of preprocessed examples and of their targets (class labels as one-hot rows), both row-major.
struct Minibatch {
  int64_t count = 0;
  int64_t elements = 0;  // Of an example.
  int64_t outputs = 0;   // Of a target.
  float* examples = nullptr;
  float* targets = nullptr;
};

class BatchAugmentation : public Augmentation {
 public:
  // Whether it is only for preprocessed examples that are still images of the shape given to SetShape.
  virtual bool needs_pixels() const { return false; }

  // Whom each example is blended with, and its own share; kept from step to step for its memory.
  struct Pairing {
    std::vector<uint32_t> partner;
    std::vector<float> weight;
  };
  // Writes the blended minibatch to `to`, another memory of the same size. With `probability` it is changed at all.
  virtual void Blend(const RandomStream& stream, uint64_t step, double probability, const Minibatch& from,
                     const Minibatch& to, Pairing& pairing) const = 0;
};

}  // namespace traind::core
