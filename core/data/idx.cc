// The IDX format: two zero bytes, a byte for the type, a byte for the number of dimensions, each dimension as a
// big-endian uint32, then the numbers, big-endian (LeCun, Cortes & Burges, "The MNIST database", file formats).
#include <array>
#include <cstdint>

#include "absl/strings/str_format.h"
#include "core/data/array_reader.h"

namespace traind::core {

absl::StatusOr<ArrayHeader> ReadIdxHeader(ByteSource& source) {
  std::array<unsigned char, 4> magic;
  if (absl::Status status = ReadExactly(source, reinterpret_cast<char*>(magic.data()), magic.size(), 0); !status.ok()) {
    return status;
  }
  ArrayHeader header = {.type = NumberType::kUint8, .shape = {}, .big_endian = true, .data_offset = 4};
  switch (magic[2]) {
    case 0x08:
      header.type = NumberType::kUint8;
      break;
    case 0x09:
      header.type = NumberType::kInt8;
      break;
    case 0x0B:
      header.type = NumberType::kInt16;
      break;
    case 0x0C:
      header.type = NumberType::kInt32;
      break;
    case 0x0D:
      header.type = NumberType::kFloat32;
      break;
    case 0x0E:
      header.type = NumberType::kFloat64;
      break;
    default:
      return BadBytes(source.name(), 2, absl::StrFormat("0x%02x is not a type of the IDX format", magic[2]));
  }
  constexpr int kMaxDimensions = 4;
  if (magic[3] < 1 || magic[3] > kMaxDimensions) {
    return BadBytes(source.name(), 3,
                    absl::StrFormat("%d dimensions; 1 to %d are supported", magic[3], kMaxDimensions));
  }
  for (int i = 0; i < magic[3]; ++i) {
    std::array<unsigned char, 4> bytes;
    absl::Status status = ReadExactly(source, reinterpret_cast<char*>(bytes.data()), bytes.size(), header.data_offset);
    if (!status.ok()) return status;
    header.shape.push_back(int64_t{bytes[0]} << 24 | bytes[1] << 16 | bytes[2] << 8 | bytes[3]);
    header.data_offset += 4;
  }
  return header;
}

}  // namespace traind::core
