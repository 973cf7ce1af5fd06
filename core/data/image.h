// Images from their files: JPEG and PNG to 8-bit RGB, and to the one size that a dataset has. The bytes come from
// strangers: what the header announces is checked before memory is taken, and a damaged or cut off image is an error,
// never a guess. Functions are thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace traind::core {

inline constexpr int64_t kMaxPixels = int64_t{1} << 26;      // Of an image before it is resized.
inline constexpr int64_t kMaxImageBytes = int64_t{1} << 26;  // Of its file.

struct Image {
  int64_t height = 0;
  int64_t width = 0;
  std::vector<uint8_t> rgb = {};  // [height, width, 3].
  bool turned = false;            // As the file's EXIF orientation says.
  std::string warning = "";       // What in the file is not as it should be, and harmless.
};

// A JPEG (gray, YCbCr, RGB, CMYK; baseline or progressive) or a PNG (every kind; 16 bits are rounded to 8, transparent
// pixels lie on white), upright by its EXIF orientation. `name` is what messages call it. INVALID_ARGUMENT "<name>,
// byte <offset>: ...".
absl::StatusOr<Image> DecodeImage(const std::string& name, absl::string_view bytes);

// One function for each format, used by DecodeImage.
bool IsJpeg(absl::string_view bytes);
bool IsPng(absl::string_view bytes);
absl::StatusOr<Image> DecodeJpeg(const std::string& name, absl::string_view bytes);
absl::StatusOr<Image> DecodePng(const std::string& name, absl::string_view bytes);
// The orientation, 1 to 8, in EXIF data (a TIFF header and what it points to); 1 when there is none that can be read.
int ExifOrientation(absl::string_view tiff);
// Turns and mirrors what was stored in this orientation, so that it is upright.
void MakeUpright(int orientation, Image* image);
// INVALID_ARGUMENT unless the size is one that is decoded.
absl::Status CheckImageSize(const std::string& name, int64_t height, int64_t width);

// Resizes so that the image just covers height x width, and takes the centre: [3, height, width], or [1, height, width]
// of the luma (BT.601) if `grayscale`. Shrinking averages (a triangle filter as wide as the scale), growing
// interpolates linearly, and an image of the right size stays as it is.
std::vector<uint8_t> ResizeAndCrop(const Image& image, int64_t height, int64_t width, bool grayscale);

}  // namespace traind::core
