// Text in UTF-8 (RFC 3629), as protobuf's strings must be. Pure functions.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/strings/escaping.h"

namespace traind::core {

// Code points of a text that is UTF-8.
inline int64_t Characters(std::string_view text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; });
}

// The beginning of a text, for an error: at most 40 characters and "..." for what is left out.
inline std::string Excerpt(std::string_view text) {
  constexpr int64_t kMost = 40;
  size_t end = 0;
  for (int64_t left = kMost; end < text.size(); ++end) {
    if ((text[end] & 0xC0) != 0x80 && left-- == 0) return std::string(text.substr(0, end)) + "...";
  }
  return std::string(text);
}

inline bool IsUtf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto byte = [&](size_t k) { return static_cast<unsigned char>(text[k]); };
    const unsigned lead = byte(i);
    const size_t length = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
    if (length == 0 || length > text.size() - i) return false;
    for (size_t k = 1; k < length; ++k) {
      if ((byte(i + k) & 0xc0) != 0x80) return false;
    }
    // Longer than need be, a surrogate, or past the last code point.
    if (lead == 0xe0 && byte(i + 1) < 0xa0) return false;
    if (lead == 0xed && byte(i + 1) >= 0xa0) return false;
    if (lead == 0xf0 && byte(i + 1) < 0x90) return false;
    if (lead == 0xf4 && byte(i + 1) >= 0x90) return false;
    i += length;
  }
  return true;
}

// The text as a string of protobuf may hold it: with its other bytes escaped ("\xff") when it is no UTF-8.
inline std::string EscapedUnlessUtf8(std::string_view text) {
  return IsUtf8(text) ? std::string(text) : absl::CHexEscape({text.data(), text.size()});
}

}  // namespace traind::core
