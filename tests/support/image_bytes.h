// Image and archive files for tests, written here: PNG and JPEG by the libraries' own encoders, tar by hand.
#pragma once

#include <jpeglib.h>
#include <zlib.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "tests/support/file_formats.h"

namespace traind {

inline std::string PngChunk(const std::string& type, const std::string& data) {
  const std::string body = type + data;
  return BigEndian(static_cast<uint32_t>(data.size())) + body + BigEndian(Crc32(body));
}

// A PNG (ISO/IEC 15948) made by hand: `rows` are the bytes of the rows without their filter bytes; `extra` are chunks
// before the image (PLTE, tRNS).
inline std::string Png(uint32_t width, uint32_t height, int depth, int color, const std::string& rows,
                       const std::string& extra = "") {
  const size_t stride = height == 0 ? 0 : rows.size() / height;
  std::string filtered;
  for (size_t y = 0; y < height && stride > 0; ++y) filtered.append(1, '\0').append(rows, y * stride, stride);
  std::string packed(compressBound(filtered.size()), '\0');
  uLongf size = packed.size();
  compress(reinterpret_cast<Bytef*>(packed.data()), &size, reinterpret_cast<const Bytef*>(filtered.data()),
           filtered.size());
  packed.resize(size);
  const std::string header =
      BigEndian(width) + BigEndian(height) + static_cast<char>(depth) + static_cast<char>(color) + std::string(3, '\0');
  return std::string("\x89PNG\r\n\x1a\n", 8) + PngChunk("IHDR", header) + extra + PngChunk("IDAT", packed) +
         PngChunk("IEND", "");
}
inline std::string RgbPng(uint32_t width, uint32_t height, const std::string& rgb) {
  return Png(width, height, 8, 2, rgb);
}
inline std::string SolidPng(uint32_t width, uint32_t height, uint8_t red, uint8_t green, uint8_t blue) {
  std::string rgb;
  for (uint32_t i = 0; i < width * height; ++i)
    rgb += {static_cast<char>(red), static_cast<char>(green), static_cast<char>(blue)};
  return RgbPng(width, height, rgb);
}

// `components` per pixel: 1 gray, 3 RGB, 4 CMYK (as Adobe has it, inverted).
inline std::string Jpeg(uint32_t width, uint32_t height, int components, std::string pixels, bool progressive = false) {
  jpeg_compress_struct info = {};
  jpeg_error_mgr errors;
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* buffer = nullptr;
  unsigned long size = 0;  // NOLINT(google-runtime-int): libjpeg's type.
  jpeg_mem_dest(&info, &buffer, &size);
  info.image_width = width;
  info.image_height = height;
  info.input_components = components;
  info.in_color_space = components == 1 ? JCS_GRAYSCALE : components == 3 ? JCS_RGB : JCS_CMYK;
  jpeg_set_defaults(&info);
  info.write_Adobe_marker = components == 4 ? TRUE : FALSE;
  jpeg_set_quality(&info, 100, TRUE);
  if (progressive) jpeg_simple_progression(&info);
  jpeg_start_compress(&info, TRUE);
  while (info.next_scanline < height) {
    JSAMPROW row =
        reinterpret_cast<JSAMPROW>(pixels.data()) + info.next_scanline * width * static_cast<uint32_t>(components);
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  std::string bytes(reinterpret_cast<char*>(buffer), size);
  std::free(buffer);
  return bytes;
}

// One entry of a ustar archive: the header and its padded content, whose size may be announced wrongly.
inline std::string TarMember(const std::string& name, const std::string& content, char type = '0',
                             const std::string& link = "", size_t announced = 0) {
  std::string header(512, '\0');
  const auto put = [&](size_t at, const std::string& text) { header.replace(at, text.size(), text); };
  const auto octal = [](size_t value, int digits) {
    char text[16];
    std::snprintf(text, sizeof(text), "%0*zo", digits, value);
    return std::string(text);
  };
  put(0, name.substr(0, 100));
  put(100, "0000644");
  put(124, octal(announced > 0 ? announced : content.size(), 11));
  put(148, std::string(8, ' '));
  header[156] = type;
  put(157, link);
  put(257, std::string("ustar\00000", 8));
  size_t sum = 0;
  for (const char c : header) sum += static_cast<unsigned char>(c);
  put(148, octal(sum, 6) + std::string("\0 ", 2));
  std::string padded = content;
  padded.resize((content.size() + 511) / 512 * 512, '\0');
  return header + padded;
}
inline std::string TarEnd() { return std::string(1024, '\0'); }

// Records of CIFAR-10: a label, then 3072 bytes that depend on it and on the place.
inline std::string Cifar10(const std::vector<int>& labels) {
  std::string bytes;
  for (const int label : labels) {
    bytes.push_back(static_cast<char>(label));
    for (int i = 0; i < 3072; ++i) bytes.push_back(static_cast<char>(label * 20 + i % 7));
  }
  return bytes;
}

}  // namespace traind
