// TFRecord, the framing of TensorBoard's event files: length, its checksum, the bytes, theirs. Pure functions.
#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace traind::tensorboard {

// CRC-32C (Castagnoli), as in RFC 3720.
uint32_t Crc32c(absl::string_view bytes);

void AppendFramed(absl::string_view bytes, std::string& file);

// The bytes of the record at the beginning of `file`, which moves behind it. False: there is no whole, sound one.
bool TakeFramed(absl::string_view& file, absl::string_view& bytes);

inline constexpr size_t kFrameBytes = 16;  // Around the bytes.
// Longer records are none of ours: an event fits a message of 4 MiB.
inline constexpr uint64_t kMaxRecordBytes = 64 << 20;

}  // namespace traind::tensorboard
