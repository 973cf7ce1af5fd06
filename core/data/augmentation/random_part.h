// A part of an image with a random area and a random aspect: what random_resized_crop keeps and random_erasing covers.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>

#include "core/kinds/augmentation.h"

namespace traind::core {

struct AreaAndAspect {
  double min_area, max_area;      // Share of the image.
  double min_aspect, max_aspect;  // Width / height.
};

// Puts `defaults` where nothing is said, and checks the four fields.
template <class Config>
void ResolveAreaAndAspect(const AreaAndAspect& defaults, Config& config, const FieldErrors& errors) {
  if (!config.has_min_area()) config.set_min_area(defaults.min_area);
  if (!config.has_max_area()) config.set_max_area(defaults.max_area);
  if (!config.has_min_aspect()) config.set_min_aspect(defaults.min_aspect);
  if (!config.has_max_aspect()) config.set_max_aspect(defaults.max_aspect);
  Require(config.min_area() > 0 && config.min_area() <= 1, errors, "min_area", "in (0, 1]", config.min_area());
  Require(config.max_area() >= config.min_area() && config.max_area() <= 1, errors, "max_area", "min_area to 1",
          config.max_area());
  Require(config.min_aspect() >= 0.01 && config.min_aspect() <= 100, errors, "min_aspect", "0.01 to 100",
          config.min_aspect());
  Require(config.max_aspect() >= config.min_aspect() && config.max_aspect() <= 100, errors, "max_aspect",
          "min_aspect to 100", config.max_aspect());
}

struct PartSize {
  int64_t height, width;
};

// Area and the logarithm of the aspect are uniform, as torchvision draws them. A part that does not fit into the image
// is drawn again; nullopt after ten times.
template <class Config>
std::optional<PartSize> DrawPartSize(Draw& draw, const Config& config, int64_t height, int64_t width) {
  for (int attempt = 0; attempt < 10; ++attempt) {
    const double area = static_cast<double>(height * width) * draw.Uniform(config.min_area(), config.max_area());
    const double aspect = std::exp(draw.Uniform(std::log(config.min_aspect()), std::log(config.max_aspect())));
    const PartSize part = {.height = std::max<int64_t>(1, std::llround(std::sqrt(area / aspect))),
                           .width = std::max<int64_t>(1, std::llround(std::sqrt(area * aspect)))};
    if (part.height <= height && part.width <= width) return part;
  }
  return std::nullopt;
}

}  // namespace traind::core
