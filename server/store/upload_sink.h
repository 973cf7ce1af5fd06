// Where the bytes of an upload go, and what holds for the bytes of every upload. The checks are pure; a sink belongs to
// its call.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "core/base/errors.h"

namespace traind::server {

// Violations of a header's fields size_bytes and crc32; `header` is their scope.
void CheckBytes(int64_t size_bytes, absl::string_view crc32, const core::FieldErrors& header);

// INVALID_ARGUMENT: with the chunk, more than the announced bytes have come.
absl::Status CheckChunk(absl::string_view chunk, int64_t written, int64_t announced);

// Used by one call at a time.
class UploadSink {
 public:
  virtual ~UploadSink() = default;
  virtual absl::Status Write(absl::string_view chunk) = 0;
  // All bytes are there: checks them. The last call.
  virtual absl::Status Finish() = 0;
};

}  // namespace traind::server
