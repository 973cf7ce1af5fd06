#include "core/base/checksum.h"

#include <zlib.h>

#include "absl/strings/str_format.h"

namespace traind::core {

void Crc32::Update(const void* data, size_t size) {
  if (size == 0) return;  // zlib takes a null pointer as the wish to start anew.
  value_ = static_cast<uint32_t>(crc32_z(value_, static_cast<const Bytef*>(data), size));
}

std::string Crc32::hex() const { return absl::StrFormat("%08x", value_); }

}  // namespace traind::core
