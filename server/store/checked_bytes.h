// Bytes with a checksum, as the store keeps what must not be another after a bit was turned on the disk; SQLite's pages
// have none. A byte 4, with which no message begins, and no other that is one turned bit away; then CRC-32, the lowest
// byte first; then the bytes. Pure; thread-safe.
#pragma once

#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace traind::server {

// `about` goes into the checksum: what stands in other columns.
std::string WithChecksum(absl::string_view bytes, absl::string_view about = "");

// The bytes in `stored`. Nullopt: they, or what they are about, are not what was written. Bytes that a version before
// 0.3 has written have no checksum, and are given as they are.
std::optional<absl::string_view> Checked(absl::string_view stored, absl::string_view about = "");

}  // namespace traind::server
