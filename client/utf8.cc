#include "client/utf8.h"

namespace traind::client {
namespace {

// The bytes of the UTF-8 character that `text` begins with; 0: it begins with none.
size_t CharacterSize(absl::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  if (byte(0) < 0x80) return 1;
  const size_t size = byte(0) >= 0xF0 ? 4 : byte(0) >= 0xE0 ? 3 : 2;
  if (byte(0) < 0xC2 || byte(0) > 0xF4 || text.size() < size) return 0;
  for (size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  const bool overlong = (byte(0) == 0xE0 && byte(1) < 0xA0) || (byte(0) == 0xF0 && byte(1) < 0x90);
  const bool surrogate = byte(0) == 0xED && byte(1) > 0x9F;
  return overlong || surrogate || (byte(0) == 0xF4 && byte(1) > 0x8F) ? 0 : size;
}

}  // namespace

size_t FirstNonUtf8(absl::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const size_t size = CharacterSize(text.substr(i));
    if (size == 0) return i;
    i += size;
  }
  return absl::string_view::npos;
}

}  // namespace traind::client
