// CRC-32 (the polynomial of zlib, gzip and zip), over data that comes in pieces. Finds accidents, not attacks.
// Thread-compatible.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace traind::core {

class Crc32 {
 public:
  void Update(const void* data, size_t size);
  void Update(absl::string_view data) { Update(data.data(), data.size()); }

  uint32_t value() const { return value_; }
  std::string hex() const;  // Eight lower-case hex digits.

 private:
  uint32_t value_ = 0;
};

inline std::string Crc32Hex(absl::string_view data) {
  Crc32 crc;
  crc.Update(data);
  return crc.hex();
}

}  // namespace traind::core
