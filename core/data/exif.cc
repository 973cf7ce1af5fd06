// The orientation of an image (Exif 2.32, 4.6.4: tag 0x0112 of the first image file directory; TIFF 6.0, section 2).
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include "core/data/image.h"

namespace traind::core {
namespace {

constexpr uint32_t kOrientationTag = 0x0112;
constexpr uint32_t kShortType = 3;
constexpr int kLargest = 8;

// Numbers of a TIFF, in the byte order that its first bytes say.
class TiffBytes {
 public:
  explicit TiffBytes(absl::string_view bytes) : bytes_(bytes), big_endian_(bytes.substr(0, 2) == "MM") {}

  bool IsTiff() const {
    constexpr uint32_t kMagic = 42;
    return (big_endian_ || bytes_.substr(0, 2) == "II") && Number(2, 2) == kMagic;
  }
  // The number of `width` bytes at `at`; nothing past the end.
  std::optional<uint32_t> Number(size_t at, size_t width) const {
    if (at > bytes_.size() || width > bytes_.size() - at) return std::nullopt;
    uint32_t value = 0;
    for (size_t i = 0; i < width; ++i) {
      const size_t from = at + (big_endian_ ? i : width - 1 - i);
      value = value << 8 | static_cast<unsigned char>(bytes_[from]);
    }
    return value;
  }

 private:
  const absl::string_view bytes_;
  const bool big_endian_;
};

}  // namespace

int ExifOrientation(absl::string_view tiff) {
  constexpr size_t kEntrySize = 12;
  const TiffBytes bytes(tiff);
  if (!bytes.IsTiff()) return 1;
  const size_t directory = bytes.Number(4, 4).value_or(0);
  const uint32_t count = bytes.Number(directory, 2).value_or(0);
  for (uint32_t i = 0; i < count; ++i) {
    const size_t entry = directory + 2 + i * kEntrySize;
    const auto tag = bytes.Number(entry, 2);
    if (!tag.has_value()) return 1;
    if (tag != kOrientationTag) continue;
    const uint32_t value = bytes.Number(entry + 8, 2).value_or(0);
    const bool known = bytes.Number(entry + 2, 2) == kShortType && value >= 1 && value <= kLargest;
    return known ? static_cast<int>(value) : 1;
  }
  return 1;
}

void MakeUpright(int orientation, Image* image) {
  if (orientation <= 1 || orientation > kLargest) return;
  const bool swaps = orientation >= 5;  // Height and width.
  const int64_t height = image->height;
  const int64_t width = image->width;
  Image upright{.height = swaps ? width : height, .width = swaps ? height : width, .turned = true};
  upright.warning = std::move(image->warning);
  upright.rgb.resize(image->rgb.size());
  // Where the stored rows and columns begin: seen upright, 2 begins right, 3 right below, 4 below, and so on.
  const bool from_bottom = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  const bool from_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  uint8_t* to = upright.rgb.data();
  for (int64_t y = 0; y < upright.height; ++y) {
    for (int64_t x = 0; x < upright.width; ++x) {
      const int64_t row = swaps ? x : y;
      const int64_t column = swaps ? y : x;
      const int64_t stored =
          (from_bottom ? height - 1 - row : row) * width + (from_right ? width - 1 - column : column);
      for (int64_t c = 0; c < 3; ++c) *to++ = image->rgb[static_cast<size_t>(stored * 3 + c)];
    }
  }
  *image = std::move(upright);
}

}  // namespace traind::core
