// JPEG by libjpeg. The library reports errors by a jump: between setjmp and the jump there are only its own frames and
// Run's, which holds nothing that a destructor would have to release.
#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>

// After cstdio, which they need.
#include <jerror.h>
#include <jpeglib.h>

#include "absl/strings/match.h"
#include "core/data/byte_source.h"
#include "core/data/image.h"

namespace traind::core {
namespace {

// More scans than any encoder makes: a small file of very many costs minutes.
constexpr int kMaxScans = 500;
constexpr int kExifMarker = JPEG_APP0 + 1;
constexpr unsigned kWholeMarker = 0xffff;  // Bytes.

class JpegDecoder {
 public:
  JpegDecoder(const std::string& name, absl::string_view bytes) : name_(name), bytes_(bytes) {
    info_.err = jpeg_std_error(&errors_);
    info_.client_data = this;
    errors_.error_exit = [](j_common_ptr info) { Self(info)->Jump(info); };
    errors_.emit_message = [](j_common_ptr info, int level) {
      if (level < 0) Self(info)->Warn(info);
    };
    errors_.output_message = [](j_common_ptr) {};
  }
  ~JpegDecoder() { jpeg_destroy_decompress(&info_); }
  JpegDecoder(const JpegDecoder&) = delete;
  JpegDecoder& operator=(const JpegDecoder&) = delete;

  absl::StatusOr<Image> Decode() {
    if (!Run()) return too_large_.ok() ? BadBytes(name_, position_, message_) : too_large_;
    image_.warning = warning_;
    MakeUpright(orientation_, &image_);
    return std::move(image_);
  }

 private:
  static JpegDecoder* Self(j_common_ptr info) { return static_cast<JpegDecoder*>(info->client_data); }

  [[noreturn]] void Jump(j_common_ptr info) {
    info->err->format_message(info, message_);
    if (info_.src != nullptr) position_ = static_cast<int64_t>(bytes_.size() - info_.src->bytes_in_buffer);
    std::longjmp(jump_, 1);
  }

  // Most warnings say that the data is damaged and the rest a guess. The others change no pixel.
  void Warn(j_common_ptr info) {
    const int code = info->err->msg_code;
    const bool harmless = code == JWRN_EXTRANEOUS_DATA || code == JWRN_ADOBE_XFORM || code == JWRN_JFIF_MAJOR ||
                          code == JWRN_NOT_SEQUENTIAL || code == JWRN_BOGUS_ICC;
    if (!harmless) Jump(info);
    if (warning_[0] == '\0') info->err->format_message(info, warning_);
  }

  int Orientation() const {
    constexpr absl::string_view kExif("Exif\0\0", 6);
    for (jpeg_saved_marker_ptr marker = info_.marker_list; marker != nullptr; marker = marker->next) {
      const absl::string_view data(reinterpret_cast<const char*>(marker->data), marker->data_length);
      if (marker->marker == kExifMarker && absl::StartsWith(data, kExif)) {
        return ExifOrientation(data.substr(kExif.size()));
      }
    }
    return 1;
  }

  bool Run() {
    if (setjmp(jump_) != 0) return false;
    jpeg_create_decompress(&info_);
    progress_.progress_monitor = [](j_common_ptr info) {
      const auto* decompress = reinterpret_cast<j_decompress_ptr>(info);
      if (decompress->input_scan_number <= kMaxScans) return;
      JpegDecoder* self = Self(info);
      std::snprintf(self->message_, sizeof(self->message_), "more than %d scans", kMaxScans);
      std::longjmp(self->jump_, 1);
    };
    info_.progress = &progress_;
    jpeg_mem_src(&info_, reinterpret_cast<const unsigned char*>(bytes_.data()), bytes_.size());
    jpeg_save_markers(&info_, kExifMarker, kWholeMarker);
    jpeg_read_header(&info_, TRUE);
    orientation_ = Orientation();
    const bool cmyk = info_.jpeg_color_space == JCS_CMYK || info_.jpeg_color_space == JCS_YCCK;
    info_.out_color_space = cmyk ? JCS_CMYK : JCS_RGB;
    if (!Allocate(cmyk)) return false;
    jpeg_start_decompress(&info_);
    while (info_.output_scanline < info_.output_height) {
      const size_t row = info_.output_scanline;
      uint8_t* rgb = image_.rgb.data() + row * static_cast<size_t>(image_.width) * 3;
      JSAMPROW line = cmyk ? line_.data() : rgb;
      jpeg_read_scanlines(&info_, &line, 1);
      if (cmyk) FromCmyk(rgb);
    }
    jpeg_finish_decompress(&info_);
    return true;
  }

  bool Allocate(bool cmyk) {
    image_.height = info_.image_height;
    image_.width = info_.image_width;
    too_large_ = CheckImageSize(name_, image_.height, image_.width);
    if (!too_large_.ok()) return false;
    image_.rgb.resize(static_cast<size_t>(image_.height * image_.width * 3));
    if (cmyk) line_.resize(static_cast<size_t>(image_.width * 4));
    return true;
  }

  // Adobe writes the four inks inverted.
  void FromCmyk(uint8_t* rgb) const {
    const int flip = info_.saw_Adobe_marker != 0 ? 0 : 255;
    for (size_t x = 0; x < static_cast<size_t>(image_.width); ++x) {
      const int black = line_[x * 4 + 3] ^ flip;
      for (size_t c = 0; c < 3; ++c) {
        rgb[x * 3 + c] = static_cast<uint8_t>(((line_[x * 4 + c] ^ flip) * black + 127) / 255);
      }
    }
  }

  const std::string& name_;
  const absl::string_view bytes_;
  jpeg_decompress_struct info_ = {};
  jpeg_error_mgr errors_ = {};
  jpeg_progress_mgr progress_ = {};
  std::jmp_buf jump_;
  char message_[JMSG_LENGTH_MAX] = "";
  int orientation_ = 1;
  char warning_[JMSG_LENGTH_MAX] = "";  // The first one.
  int64_t position_ = 0;
  absl::Status too_large_;
  Image image_;
  std::vector<uint8_t> line_;  // Of CMYK.
};

}  // namespace

bool IsJpeg(absl::string_view bytes) { return absl::StartsWith(bytes, "\xff\xd8\xff"); }

absl::StatusOr<Image> DecodeJpeg(const std::string& name, absl::string_view bytes) {
  return JpegDecoder(name, bytes).Decode();
}

}  // namespace traind::core
