// The looks at one image that are averaged at test time (slide 90): scales x (four corners and the centre) x flips,
// each of the network's input size. Without any of them the one look is the image itself, or, where training crops it
// to another size, the centre of the smallest resized image that covers the network's input. Immutable; thread-safe.
#pragma once

#include <cstdint>
#include <vector>

#include "core/base/errors.h"
#include "core/kinds/image_view.h"
#include "core/kinds/resample.h"
#include "core/tensor/tensor.h"
#include "traind/v1/job.pb.h"

namespace traind::core {

class Views {
 public:
  // `image`: of the dataset's examples; `input`: of the network. Violations go to `errors`, the scope of `config`; the
  // result is meaningful only when there were none.
  static Views Create(const v1::TestTime& config, const Shape& image, const Shape& input, const FieldErrors& errors);

  int64_t count() const { return plain() ? 1 : static_cast<int64_t>(views_.size()); }
  // The only look is the example as it is, which need not be an image.
  bool plain() const { return views_.empty(); }
  const Shape& input() const { return input_; }

  // Fills `to`, of the shape input() and the type of `image`. Not for plain().
  void Apply(int64_t view, const ImageView& image, Resampler& resampler, const ImageView& to) const;
  void Reserve(Resampler& resampler) const;

 private:
  struct View {
    Box box;
    bool flip;
  };
  Shape image_;
  Shape input_;
  std::vector<View> views_;
};

}  // namespace traind::core
