// One array of numbers in a file, read from front to back with bounded memory. The format is told by the first bytes:
// IDX (the format of MNIST, big-endian), NPY versions 1 to 3 (numpy) in C order, or a member of an NPZ (zip: stored or
// deflated, zip64 too); IDX and NPY may be gzipped. Numbers come in the machine's byte order. The data must fill the
// file exactly. Errors are INVALID_ARGUMENT and name file and byte (of the unpacked data, except where the packing
// itself is damaged); files that cannot be opened have the system's error. Thread-compatible.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "core/data/byte_source.h"
#include "core/tensor/tensor.h"

namespace traind::core {

enum class NumberType { kUint8, kInt8, kUint16, kInt16, kUint32, kInt32, kUint64, kInt64, kFloat32, kFloat64 };

absl::string_view ToString(NumberType type);
int64_t SizeOf(NumberType type);
inline bool IsFloat(NumberType type) { return type == NumberType::kFloat32 || type == NumberType::kFloat64; }

struct ArrayHeader {
  NumberType type = NumberType::kUint8;
  Shape shape;
  bool big_endian = false;
  int64_t data_offset = 0;  // Bytes before the numbers.
};

class ArrayReader {
 public:
  // `member` picks the array of an NPZ: the first of these names that it holds. For other files it is not used.
  static absl::StatusOr<ArrayReader> Open(const std::string& path, absl::Span<const std::string> members);

  const ArrayHeader& header() const { return header_; }
  const std::string& name() const { return source_->name(); }
  // Of the number with this index, in the unpacked data.
  int64_t ByteOf(int64_t index) const { return header_.data_offset + index * SizeOf(header_.type); }

  // The next `count` numbers, count * SizeOf(type) bytes. They must not go past the array's end.
  absl::Status Read(void* numbers, int64_t count);
  // After the last number: checks that nothing follows, and checksums.
  absl::Status Finish();

 private:
  ArrayReader(ArrayHeader header, std::unique_ptr<ByteSource> source)
      : header_(std::move(header)), source_(std::move(source)), position_(header_.data_offset) {}

  ArrayHeader header_;
  std::unique_ptr<ByteSource> source_;
  int64_t position_;
};

// Whether the file is a zip, and so may hold several arrays.
absl::StatusOr<bool> IsNpz(const std::string& path);

// --- One function for each format, used by Open.

// Reads exactly `size` bytes of a header; at `offset` for messages.
absl::Status ReadExactly(ByteSource& source, char* buffer, size_t size, int64_t offset);

absl::StatusOr<ArrayHeader> ReadIdxHeader(ByteSource& source);
absl::StatusOr<ArrayHeader> ReadNpyHeader(ByteSource& source);

// The member of a zip file, unpacked and checked.
absl::StatusOr<std::unique_ptr<ByteSource>> OpenNpzMember(const std::string& path,
                                                          absl::Span<const std::string> members);

}  // namespace traind::core
