#include "core/tensorboard/framing.h"

#include <array>

namespace traind::tensorboard {
namespace {

constexpr size_t kHeaderBytes = 12;

// Of each byte, by the reflected polynomial.
constexpr std::array<uint32_t, 256> MakeTable() {
  std::array<uint32_t, 256> table{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82F63B78u : 0u);
    table[byte] = crc;
  }
  return table;
}

// A checksum of bytes that hold checksums, as TFRecord has it.
uint32_t Masked(absl::string_view bytes) {
  const uint32_t crc = Crc32c(bytes);
  return ((crc >> 15) | (crc << 17)) + 0xA282EAD8u;
}

template <class Number>
void AppendLittleEndian(Number value, std::string& bytes) {
  for (size_t i = 0; i < sizeof(Number); ++i) bytes.push_back(static_cast<char>(value >> (8 * i) & 0xFF));
}

template <class Number>
Number LittleEndian(absl::string_view bytes) {
  Number value = 0;
  for (size_t i = 0; i < sizeof(Number); ++i) {
    value |= static_cast<Number>(static_cast<unsigned char>(bytes[i])) << (8 * i);
  }
  return value;
}

}  // namespace

uint32_t Crc32c(absl::string_view bytes) {
  static constexpr std::array<uint32_t, 256> kTable = MakeTable();
  uint32_t crc = ~0u;
  for (const char c : bytes) crc = (crc >> 8) ^ kTable[(crc ^ static_cast<unsigned char>(c)) & 0xFF];
  return ~crc;
}

void AppendFramed(absl::string_view bytes, std::string& file) {
  std::string length;
  AppendLittleEndian(static_cast<uint64_t>(bytes.size()), length);
  file += length;
  AppendLittleEndian(Masked(length), file);
  file.append(bytes.data(), bytes.size());
  AppendLittleEndian(Masked(bytes), file);
}

bool TakeFramed(absl::string_view& file, absl::string_view& bytes) {
  if (file.size() < kFrameBytes || LittleEndian<uint32_t>(file.substr(8)) != Masked(file.substr(0, 8))) return false;
  const auto length = LittleEndian<uint64_t>(file);
  if (length > kMaxRecordBytes || file.size() < length + kFrameBytes) return false;
  const absl::string_view taken = file.substr(kHeaderBytes, length);
  if (LittleEndian<uint32_t>(file.substr(kHeaderBytes + length)) != Masked(taken)) return false;
  bytes = taken;
  file.remove_prefix(length + kFrameBytes);
  return true;
}

}  // namespace traind::tensorboard
