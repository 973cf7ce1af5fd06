// Examples as the network sees them where nothing is drawn at random: each by the looks of test time. Used by one
// thread.
#pragma once

#include <cstdint>
#include <vector>

#include "core/data/augmentation/views.h"
#include "core/kinds/raw_examples.h"
#include "core/kinds/resample.h"

namespace traind::core {

class ViewedExamples {
 public:
  // `views` outlives it. May throw std::bad_alloc.
  ViewedExamples(RawExamples examples, const Views& views);

  // A look at example `index`: row-major, of the examples' type, valid until the next call. Allocates nothing.
  const void* At(int64_t index, int64_t view = 0);
  // Each by the first look; refers to this object.
  RawExamples FirstLooks();

 private:
  const RawExamples examples_;
  const Views& views_;
  Resampler resampler_;
  std::vector<float> pixels_;  // Of a look, whichever their type.
};

}  // namespace traind::core
