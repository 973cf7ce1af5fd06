// Where the readers of dataset files get their bytes: a file or part of one, and what is compressed inside it. Memory
// is bounded whatever the input says. Errors name the file and the byte; they are INVALID_ARGUMENT when the content is
// bad. Thread-compatible.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace traind::core {

// What a gzip stream begins with (RFC 1952).
inline constexpr absl::string_view kGzipMagic("\x1f\x8b", 2);

// A file to read, and what messages call it: a person's own name, whatever it is called where it lies.
struct InputFile {
  std::string path;
  std::string name;
};

class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // Up to `size` bytes into `buffer`; fewer only at the end, 0 when there are none left.
  virtual absl::StatusOr<size_t> Read(char* buffer, size_t size) = 0;
  // What messages call it: the file's name, or "name: member".
  virtual const std::string& name() const = 0;
  // Bytes that are still to come, or -1 when only reading tells.
  virtual int64_t remaining() const = 0;
};

// INVALID_ARGUMENT "<name>, byte <offset>: <what>".
absl::Status BadBytes(absl::string_view name, int64_t offset, absl::string_view what);

// The bytes [offset, offset + size) of a regular file, which must have them; a size of -1 means up to its end.
absl::StatusOr<std::unique_ptr<ByteSource>> OpenFile(const InputFile& file, int64_t offset = 0, int64_t size = -1);

enum class Compression { kGzip, kDeflate };

// Bytes that are there, and outlive it.
std::unique_ptr<ByteSource> BytesInMemory(std::string name, absl::string_view bytes);

// What is compressed in `input`: a gzip file of one or more members, or a bare deflate stream. Reading to the end
// checks the checksums of gzip, and that nothing follows the compressed data. `offset` is where `input` begins in the
// file, for messages.
absl::StatusOr<std::unique_ptr<ByteSource>> OpenCompressed(std::unique_ptr<ByteSource> input, Compression compression,
                                                           int64_t offset = 0);

// Passes `input` on and checks at its end that it had `size` bytes with this CRC-32; `name` is used in messages.
std::unique_ptr<ByteSource> CheckedSource(std::unique_ptr<ByteSource> input, std::string name, int64_t size,
                                          uint32_t crc32);

}  // namespace traind::core
