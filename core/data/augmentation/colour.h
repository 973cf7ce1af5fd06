// Changes of an image's colours that are linear in them (color_jitter.cc says how).
#pragma once

#include "core/kinds/image_view.h"

namespace traind::core {

struct ColourChange {
  double contrast = 1;
  double brightness = 1;
  double saturation = 1;  // Of three channels.
  double hue = 0;         // Of the same: a part of the circle.
};

// In this order, in place, of an image of one or three channels; rounded once.
void ChangeColour(const ImageView& image, const ColourChange& change);

}  // namespace traind::core
