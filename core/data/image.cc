#include "core/data/image.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"

namespace traind::core {
namespace {

constexpr int64_t kChannels = 3;

// What one output pixel is made of along one dimension: inputs [first, first + weights.size()).
struct Taps {
  int64_t first = 0;
  std::vector<float> weights;
};

// The centre `output` pixels of `input` pixels shrunk by `scale`.
std::vector<Taps> MakeTaps(int64_t input, int64_t output, double scale) {
  const double support = std::max(scale, 1.0);
  const double start = (static_cast<double>(input) - static_cast<double>(output) * scale) / 2;
  std::vector<Taps> all;
  for (int64_t i = 0; i < output; ++i) {
    const double centre = start + (static_cast<double>(i) + 0.5) * scale;
    const int64_t first = std::clamp<int64_t>(static_cast<int64_t>(std::floor(centre - support)), 0, input - 1);
    const int64_t last = std::clamp<int64_t>(static_cast<int64_t>(std::ceil(centre + support)), first + 1, input);
    Taps taps{.first = first, .weights = {}};
    double sum = 0;
    std::vector<double> weights;
    for (int64_t k = first; k < last; ++k) {
      weights.push_back(std::max(0.0, 1.0 - std::abs(static_cast<double>(k) + 0.5 - centre) / support));
      sum += weights.back();
    }
    for (const double weight : weights) taps.weights.push_back(static_cast<float>(weight / sum));
    all.push_back(std::move(taps));
  }
  return all;
}

uint8_t ToByte(float value) { return static_cast<uint8_t>(std::clamp(value + 0.5f, 0.0f, 255.0f)); }

}  // namespace

absl::Status CheckImageSize(const std::string& name, int64_t height, int64_t width) {
  if (height >= 1 && width >= 1 && height <= kMaxPixels / width) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(name, ": the header announces ", width, " x ", height,
                                                 " pixels; 1 to ", kMaxPixels, " are decoded"));
}

absl::StatusOr<Image> DecodeImage(const std::string& name, absl::string_view bytes) {
  if (IsJpeg(bytes)) return DecodeJpeg(name, bytes);
  if (IsPng(bytes)) return DecodePng(name, bytes);
  if (bytes.empty()) return absl::InvalidArgumentError(absl::StrCat(name, ": the file is empty"));
  return absl::InvalidArgumentError(
      absl::StrCat(name, ", byte 0: the first bytes are those of neither a JPEG nor a PNG"));
}

std::vector<uint8_t> ResizeAndCrop(const Image& image, int64_t height, int64_t width, bool grayscale) {
  const double scale = std::min(static_cast<double>(image.height) / static_cast<double>(height),
                                static_cast<double>(image.width) / static_cast<double>(width));
  const std::vector<Taps> rows = MakeTaps(image.height, height, scale);
  const std::vector<Taps> columns = MakeTaps(image.width, width, scale);
  const int64_t pixels = height * width;
  std::vector<uint8_t> planes(static_cast<size_t>(pixels * (grayscale ? 1 : kChannels)));
  std::vector<float> line(static_cast<size_t>(image.width * kChannels));
  for (int64_t y = 0; y < height; ++y) {
    std::fill(line.begin(), line.end(), 0.0f);
    for (size_t k = 0; k < rows[y].weights.size(); ++k) {
      const uint8_t* input = image.rgb.data() + (rows[y].first + static_cast<int64_t>(k)) * image.width * kChannels;
      const float weight = rows[y].weights[k];
      for (size_t i = 0; i < line.size(); ++i) line[i] += weight * static_cast<float>(input[i]);
    }
    for (int64_t x = 0; x < width; ++x) {
      float rgb[kChannels] = {};
      for (size_t k = 0; k < columns[x].weights.size(); ++k) {
        const float* input = line.data() + (columns[x].first + static_cast<int64_t>(k)) * kChannels;
        for (int64_t c = 0; c < kChannels; ++c) rgb[c] += columns[x].weights[k] * input[c];
      }
      uint8_t* output = planes.data() + y * width + x;
      if (grayscale) {
        *output = ToByte(0.299f * rgb[0] + 0.587f * rgb[1] + 0.114f * rgb[2]);
      } else {
        for (int64_t c = 0; c < kChannels; ++c) output[c * pixels] = ToByte(rgb[c]);
      }
    }
  }
  return planes;
}

}  // namespace traind::core
