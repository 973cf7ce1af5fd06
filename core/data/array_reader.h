// One array of numbers in a file, read from front to back with bounded memory. The format is told by the first bytes:
// IDX (the format of MNIST, big-endian), NPY versions 1 to 3 (numpy), or a member of an NPZ (zip: stored or deflated,
// zip64 too); IDX and NPY may be gzipped. Numbers come in the machine's byte order and in C order; an array in Fortran
// order is held in memory whole. The data must fill the
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

enum class NumberType {
  kUint8,
  kInt8,
  kUint16,
  kInt16,
  kUint32,
  kInt32,
  kUint64,
  kInt64,
  kFloat32,
  kFloat64,
  kFloat16,
  kBool,  // A byte, 0 or 1.
};

absl::string_view ToString(NumberType type);
int64_t SizeOf(NumberType type);
inline bool IsFloat(NumberType type) {
  return type == NumberType::kFloat16 || type == NumberType::kFloat32 || type == NumberType::kFloat64;
}

struct ArrayHeader {
  NumberType type = NumberType::kUint8;
  Shape shape;
  bool big_endian = false;
  bool fortran_order = false;
  int64_t data_offset = 0;  // Bytes before the numbers.
};

class ArrayReader {
 public:
  // `members` picks the array of an NPZ: the first of these names that it holds. For other files it is not used.
  static absl::StatusOr<ArrayReader> Open(const InputFile& file, absl::Span<const std::string> members);

  const ArrayHeader& header() const { return header_; }
  const std::string& name() const { return source_->name(); }
  const std::string& member() const { return member_; }  // Of an NPZ; otherwise empty.
  // Of the number with this index (in C order), in the unpacked data.
  int64_t ByteOf(int64_t index) const;

  // The next `count` numbers, count * SizeOf(type) bytes. They must not go past the array's end.
  absl::Status Read(void* numbers, int64_t count);
  // After the last number: checks that nothing follows, and checksums.
  absl::Status Finish();

 private:
  ArrayReader(ArrayHeader header, std::unique_ptr<ByteSource> source, std::string member)
      : header_(std::move(header)),
        source_(std::move(source)),
        member_(std::move(member)),
        position_(header_.data_offset) {}

  // Where a number of an array in Fortran order stands in the file, from its place in C order.
  int64_t FortranIndex(int64_t index) const;
  absl::Status ReadStored(char* bytes, int64_t count);
  absl::Status LoadFortran();

  ArrayHeader header_;
  std::unique_ptr<ByteSource> source_;
  std::string member_;
  int64_t position_;
  std::vector<char> fortran_;  // The whole array, once its first number is read.
  int64_t next_ = 0;           // Of the numbers in Fortran order, the next one in C order.
};

// Whether the file is a zip, and so may hold several arrays.
absl::StatusOr<bool> IsNpz(const InputFile& file);

// --- One function for each format, used by Open.

// Reads exactly `size` bytes of a header; at `offset` for messages.
absl::Status ReadExactly(ByteSource& source, char* buffer, size_t size, int64_t offset);

absl::StatusOr<ArrayHeader> ReadIdxHeader(ByteSource& source);
absl::StatusOr<ArrayHeader> ReadNpyHeader(ByteSource& source);

// The member of a zip file, unpacked and checked; `member` becomes the name that was found.
absl::StatusOr<std::unique_ptr<ByteSource>> OpenNpzMember(const InputFile& file, absl::Span<const std::string> members,
                                                          std::string* member);
// The names of the arrays in a zip file.
absl::StatusOr<std::vector<std::string>> NpzMembers(const InputFile& file);

}  // namespace traind::core
