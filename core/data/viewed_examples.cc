#include "core/data/viewed_examples.h"

#include <utility>

namespace traind::core {

ViewedExamples::ViewedExamples(RawExamples examples, const Views& views)
    : examples_(std::move(examples)), views_(views) {
  if (views.plain()) return;
  views.Reserve(resampler_);
  pixels_.resize(static_cast<size_t>(Elements(views.input())));
}

const void* ViewedExamples::At(int64_t index, int64_t view) {
  if (views_.plain()) return examples_.at(index);
  const Shape& shape = views_.input();
  const ImageView look{examples_.type, shape[0], shape[1], shape[2], pixels_.data()};
  views_.Apply(view, ImageAt(examples_, index), resampler_, look);
  return pixels_.data();
}

RawExamples ViewedExamples::FirstLooks() {
  return {.count = examples_.count,
          .type = examples_.type,
          .shape = views_.plain() ? examples_.shape : views_.input(),
          .at = [this](int64_t index) { return At(index); }};
}

}  // namespace traind::core
