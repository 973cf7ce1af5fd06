#include "server/store/checked_bytes.h"

#include <cstdint>

#include "core/base/checksum.h"

namespace traind::server {
namespace {

constexpr char kMark = 4;
constexpr size_t kBytesBefore = 5;

std::string MarkAndChecksum(absl::string_view bytes, absl::string_view about) {
  core::Crc32 crc;
  crc.Update(about);
  crc.Update(bytes);
  std::string before(1, kMark);
  for (int shift = 0; shift < 32; shift += 8) before += static_cast<char>(crc.value() >> shift & 0xff);
  return before;
}

}  // namespace

std::string WithChecksum(absl::string_view bytes, absl::string_view about) {
  std::string stored = MarkAndChecksum(bytes, about);
  stored.append(bytes.data(), bytes.size());
  return stored;
}

std::optional<absl::string_view> Checked(absl::string_view stored, absl::string_view about) {
  if (stored.empty() || stored[0] != kMark) return stored;
  if (stored.size() < kBytesBefore) return std::nullopt;
  const absl::string_view bytes = stored.substr(kBytesBefore);
  if (stored.substr(0, kBytesBefore) != MarkAndChecksum(bytes, about)) return std::nullopt;
  return bytes;
}

}  // namespace traind::server
