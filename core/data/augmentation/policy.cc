#include "core/data/augmentation/policy.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/data/augmentation/colour.h"

namespace traind::core {
namespace {

// In the order of the papers' tables; the last one needs colours.
enum Operation : int64_t {
  kIdentity,
  kShearX,
  kShearY,
  kTranslateX,
  kTranslateY,
  kTurn,
  kBrightness,
  kContrast,
  kColour,
  kOperations,
};

}  // namespace

void Policy::SetShape(const Shape& shape, const FieldErrors& errors) {
  if (shape[0] != 1 && shape[0] != 3) {
    errors.Add(absl::StrCat("needs images of one or three channels; they have ", shape[0]));
  }
  colours_ = shape[0] == 3;
}

void Policy::ApplyOne(Draw& draw, double level, ImageAugmentation::Workspace& work) const {
  const int64_t operation = draw.Below(colours_ ? kOperations : kColour);
  const double sign = draw.Below(2) == 0 ? 1 : -1;
  const ImageView& image = work.image;
  const auto shift = [&](int64_t side) {
    const auto whole = static_cast<double>(side);
    return sign * level * (strongest_.pixels > 0 ? std::min(strongest_.pixels, whole) : strongest_.translate * whole);
  };
  const double slant = sign * level * strongest_.shear, factor = 1 + sign * level * strongest_.colour;
  const double angle = sign * level * strongest_.degrees * M_PI / 180;
  Affine map;
  switch (operation) {
    case kIdentity:
      return;
    case kShearX:
      map.xy = slant;
      break;
    case kShearY:
      map.yx = slant;
      break;
    case kTranslateX:
      map.x = shift(image.width);
      break;
    case kTranslateY:
      map.y = shift(image.height);
      break;
    case kTurn:
      map = {.xx = std::cos(angle), .xy = -std::sin(angle), .yx = std::sin(angle), .yy = std::cos(angle)};
      break;
    case kBrightness:
      return ChangeColour(image, {.brightness = factor});
    case kContrast:
      return ChangeColour(image, {.contrast = factor});
    default:
      return ChangeColour(image, {.saturation = factor});
  }
  work.ShapeSpare(image.height, image.width);
  Warp(work.image, border_, map, work.spare);
  std::swap(work.image, work.spare);
}

}  // namespace traind::core
