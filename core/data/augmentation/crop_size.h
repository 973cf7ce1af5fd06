// The size of the result of the crops that resize.
#pragma once

#include "absl/strings/str_cat.h"
#include "core/base/errors.h"
#include "core/tensor/tensor.h"

namespace traind::core {

inline constexpr uint32_t kMaxCropSide = 4096;

// 0 stands for the image's own side.
template <class Config>
void CheckCropSize(const Config& config, const FieldErrors& errors) {
  const auto check = [&](std::string_view field, uint32_t side) {
    if (side > kMaxCropSide) errors.At(field).Add(absl::StrCat("must be 1 to ", kMaxCropSide, ", not ", side));
  };
  check("height", config.height());
  check("width", config.width());
}

inline Shape CroppedShape(const Shape& image, int64_t height, int64_t width) {
  return {image[0], height == 0 ? image[1] : height, width == 0 ? image[2] : width};
}

}  // namespace traind::core
