// PNG by libpng. The library reports errors by a jump: between setjmp and the jump there are only its own frames and
// Run's, which holds nothing that a destructor would have to release.
#include <png.h>

#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "core/data/byte_source.h"
#include "core/data/image.h"

namespace traind::core {
namespace {

constexpr png_uint_32 kMaxSide = 1'000'000;
constexpr png_alloc_size_t kMaxChunkMemory = 8 << 20;  // Of text and colour profiles, which nobody reads.
constexpr png_uint_32 kMaxChunks = 1000;

class PngDecoder {
 public:
  PngDecoder(const std::string& name, absl::string_view bytes) : name_(name), bytes_(bytes) {}
  ~PngDecoder() { png_destroy_read_struct(&png_, &info_, nullptr); }
  PngDecoder(const PngDecoder&) = delete;
  PngDecoder& operator=(const PngDecoder&) = delete;

  absl::StatusOr<Image> Decode() {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, OnError, [](png_structp, png_const_charp) {});
    info_ = png_ == nullptr ? nullptr : png_create_info_struct(png_);
    if (info_ == nullptr) return absl::ResourceExhaustedError("no memory to decode a PNG");
    if (!Run()) return too_large_.ok() ? BadBytes(name_, static_cast<int64_t>(position_), message_) : too_large_;
    OnWhite();
    MakeUpright(Orientation(), &image_);
    return std::move(image_);
  }

 private:
  [[noreturn]] static void OnError(png_structp png, png_const_charp message) {
    auto* self = static_cast<PngDecoder*>(png_get_error_ptr(png));
    std::strncpy(self->message_, message, sizeof(self->message_) - 1);
    std::longjmp(self->jump_, 1);
  }

  static void Read(png_structp png, png_bytep buffer, size_t size) {
    auto* self = static_cast<PngDecoder*>(png_get_io_ptr(png));
    if (size > self->bytes_.size() - self->position_) {
      self->position_ = self->bytes_.size();
      png_error(png, "the file ends in the middle of the image");
    }
    std::memcpy(buffer, self->bytes_.data() + self->position_, size);
    self->position_ += size;
  }

  bool Run() {
    if (setjmp(jump_) != 0) return false;
    png_set_read_fn(png_, this, Read);
    png_set_user_limits(png_, kMaxSide, kMaxSide);
    png_set_chunk_malloc_max(png_, kMaxChunkMemory);
    png_set_chunk_cache_max(png_, kMaxChunks);
    png_read_info(png_, info_);
    // Every file becomes RGBA of 8 bits.
    png_set_expand(png_);
    png_set_scale_16(png_);
    png_set_gray_to_rgb(png_);
    png_set_filler(png_, 0xff, PNG_FILLER_AFTER);
    png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
    if (!Allocate()) return false;
    png_read_image(png_, rows_.data());
    png_read_end(png_, info_);
    return true;
  }

  int Orientation() {
    png_uint_32 size = 0;
    png_bytep bytes = nullptr;
    if (png_get_eXIf_1(png_, info_, &size, &bytes) == 0) return 1;
    return ExifOrientation({reinterpret_cast<const char*>(bytes), size});
  }

  bool Allocate() {
    image_.height = png_get_image_height(png_, info_);
    image_.width = png_get_image_width(png_, info_);
    too_large_ = CheckImageSize(name_, image_.height, image_.width);
    if (!too_large_.ok()) return false;
    const size_t stride = static_cast<size_t>(image_.width) * 4;
    if (png_get_rowbytes(png_, info_) != stride) png_error(png_, "a kind of pixels that is not known");
    rgba_.resize(static_cast<size_t>(image_.height) * stride);
    for (size_t y = 0; y < static_cast<size_t>(image_.height); ++y) rows_.push_back(rgba_.data() + y * stride);
    return true;
  }

  void OnWhite() {
    const size_t pixels = rgba_.size() / 4;
    image_.rgb.resize(pixels * 3);
    for (size_t p = 0; p < pixels; ++p) {
      const int alpha = rgba_[p * 4 + 3];
      for (size_t c = 0; c < 3; ++c) {
        image_.rgb[p * 3 + c] = static_cast<uint8_t>((rgba_[p * 4 + c] * alpha + 255 * (255 - alpha) + 127) / 255);
      }
    }
  }

  const std::string& name_;
  const absl::string_view bytes_;
  size_t position_ = 0;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  std::jmp_buf jump_;
  char message_[256] = "";
  absl::Status too_large_;
  Image image_;
  std::vector<uint8_t> rgba_;
  std::vector<png_bytep> rows_;
};

}  // namespace

bool IsPng(absl::string_view bytes) { return absl::StartsWith(bytes, "\x89PNG\r\n\x1a\n"); }

absl::StatusOr<Image> DecodePng(const std::string& name, absl::string_view bytes) {
  return PngDecoder(name, bytes).Decode();
}

}  // namespace traind::core
