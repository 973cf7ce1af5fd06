// Contrast, brightness, saturation and hue (slide 91). Each is a linear map of a pixel's colour x, so that all four are
// one matrix and one offset, applied in one pass and rounded once:
//   contrast    c x + (1 - c) m, m the mean grey of the image
//   brightness  b x
//   saturation  s x + (1 - s) grey(x), grey = 0.299 R + 0.587 G + 0.114 B
//   hue         x turned around the grey axis R = G = B
#include <array>
#include <cmath>
#include <memory>

#include "core/base/vectorize.h"
#include "core/data/augmentation/colour.h"
#include "core/kinds/augmentation.h"

namespace traind::core {
namespace {

constexpr std::array<double, 3> kGrey = {0.299, 0.587, 0.114};

using Matrix = std::array<std::array<double, 3>, 3>;

Matrix Product(const Matrix& a, const Matrix& b) {
  Matrix c = {};
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 3; ++j) {
      for (int k = 0; k < 3; ++k) c[i][j] += a[i][k] * b[k][j];
    }
  }
  return c;
}

Matrix Saturate(double s) {
  Matrix m = {};
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 3; ++j) m[i][j] = (i == j ? s : 0) + (1 - s) * kGrey[j];
  }
  return m;
}

// Rodrigues' formula around (1, 1, 1) / sqrt(3).
Matrix TurnHue(double turn) {
  const double angle = 2 * M_PI * turn;
  const double same = (1 + 2 * std::cos(angle)) / 3;
  const double minus = (1 - std::cos(angle)) / 3 - std::sin(angle) / std::sqrt(3.0);
  const double plus = (1 - std::cos(angle)) / 3 + std::sin(angle) / std::sqrt(3.0);
  return {{{same, minus, plus}, {plus, same, minus}, {minus, plus, same}}};
}

template <class T>
TRAIND_VECTORIZED double Sum(const T* x, int64_t n) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; ++i) sum += static_cast<double>(x[i]);
  return sum;
}

template <class T>
TRAIND_VECTORIZED void MapGrey(T* x, float factor, float offset, int64_t n) {
  for (int64_t i = 0; i < n; ++i) x[i] = ToPixel<T>(factor * static_cast<float>(x[i]) + offset);
}

struct ColourMap {
  float m[3][3];
  float offset[3];
};

template <class T>
TRAIND_VECTORIZED void MapColours(T* __restrict red, T* __restrict green, T* __restrict blue, ColourMap map,
                                  int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    const auto r = static_cast<float>(red[i]);
    const auto g = static_cast<float>(green[i]);
    const auto b = static_cast<float>(blue[i]);
    red[i] = ToPixel<T>(map.m[0][0] * r + map.m[0][1] * g + map.m[0][2] * b + map.offset[0]);
    green[i] = ToPixel<T>(map.m[1][0] * r + map.m[1][1] * g + map.m[1][2] * b + map.offset[1]);
    blue[i] = ToPixel<T>(map.m[2][0] * r + map.m[2][1] * g + map.m[2][2] * b + map.offset[2]);
  }
}

double MeanGrey(const ImageView& image) {
  double mean = 0;
  WithPixelType(image.type, [&](auto pixel) {
    const auto* x = image.pixels<decltype(pixel)>();
    for (int64_t c = 0; c < image.channels; ++c) {
      const double weight = image.channels == 1 ? 1 : kGrey[static_cast<size_t>(c)];
      mean += weight * Sum(x + c * image.plane(), image.plane()) / static_cast<double>(image.plane());
    }
  });
  return mean;
}

class ColorJitterAugmentation final : public ImageAugmentation {
 public:
  explicit ColorJitterAugmentation(const v1::ColorJitter& config) : config_(config) {}

  Shape SetShape(const Shape& shape, const FieldErrors& errors) override {
    const auto check = [&](std::string_view field, double amount) {
      if (amount != 0 && shape[0] != 3) {
        errors.At(field).Add(absl::StrCat("needs images of three channels; they have ", shape[0]));
      }
    };
    check("saturation", config_.saturation());
    check("hue", config_.hue());
    if (shape[0] != 1 && shape[0] != 3) {
      errors.Add(absl::StrCat("needs images of one or three channels; they have ", shape[0]));
    }
    return shape;
  }

  void Apply(Draw& draw, Workspace& work) const override {
    const auto factor = [&](double amount) { return draw.Uniform(1 - amount, 1 + amount); };
    const double contrast = factor(config_.contrast());
    const double brightness = factor(config_.brightness());
    const double saturation = factor(config_.saturation());
    const double hue = draw.Uniform(-config_.hue(), config_.hue());
    ChangeColour(work.image, {.contrast = contrast, .brightness = brightness, .saturation = saturation, .hue = hue});
  }

 private:
  const v1::ColorJitter config_;
};

const Registered<Augmentation, v1::ColorJitter> kColorJitter(
    "Changes contrast, brightness, saturation and hue at random (slide 91).",
    [](v1::ColorJitter& config, const FieldErrors& errors) {
      const auto check = [&](std::string_view field, double amount, double most) {
        Require(amount >= 0 && amount <= most, errors, field, absl::StrCat("0 to ", most), amount);
      };
      check("contrast", config.contrast(), 1);
      check("brightness", config.brightness(), 1);
      check("saturation", config.saturation(), 1);
      check("hue", config.hue(), 0.5);
      if (config.contrast() == 0 && config.brightness() == 0 && config.saturation() == 0 && config.hue() == 0) {
        errors.Add("changes nothing: set contrast, brightness, saturation or hue");
      }
      return std::make_unique<ColorJitterAugmentation>(config);
    });

}  // namespace

void ChangeColour(const ImageView& image, const ColourChange& change) {
  const double scale = change.contrast * change.brightness;
  const double offset = change.contrast != 1 ? (1 - change.contrast) * MeanGrey(image) * change.brightness : 0;
  WithPixelType(image.type, [&](auto pixel) {
    using T = decltype(pixel);
    T* x = image.pixels<T>();
    const int64_t n = image.plane();
    if (image.channels == 1) {
      MapGrey(x, static_cast<float>(scale), static_cast<float>(offset), n);
      return;
    }
    // Grey stays grey under saturation and hue, and so does the offset.
    const Matrix colour = Product(TurnHue(change.hue), Saturate(change.saturation));
    ColourMap map;
    for (int i = 0; i < 3; ++i) {
      for (int j = 0; j < 3; ++j) map.m[i][j] = static_cast<float>(scale * colour[i][j]);
      map.offset[i] = static_cast<float>(offset);
    }
    MapColours(x, x + n, x + 2 * n, map, n);
  });
}

}  // namespace traind::core
