#include "server/store/upload_sink.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "server/resources/names.h"

namespace traind::server {

void CheckBytes(int64_t size_bytes, absl::string_view crc32, const core::FieldErrors& header) {
  if (size_bytes <= 0) header.At("size_bytes").Add("must be positive");
  const bool hex = std::all_of(crc32.begin(), crc32.end(), absl::ascii_isxdigit);
  if (crc32.size() != 8 || !hex) header.At("crc32").Add("must be eight hex digits");
}

absl::Status CheckChunk(absl::string_view chunk, int64_t written, int64_t announced) {
  if (static_cast<int64_t>(chunk.size()) <= announced - written) return absl::OkStatus();
  return FieldError("chunk", absl::StrCat("more bytes came than the header announced (", announced, ")"));
}

}  // namespace traind::server
