// An archive of files, read from front to back by libarchive: tar (v7, ustar, pax, GNU; also compressed with gzip, xz,
// bzip2 or zstd) and zip. Strict: damage, an end that is missing, and names that lead out of the archive are errors,
// INVALID_ARGUMENT with the archive's name. Thread-compatible.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "core/data/byte_source.h"

namespace traind::core {

inline constexpr size_t kArchiveProbe = 512;  // Bytes that IsArchive wants to see.

// Whether a file with these first bytes, unpacked when it is a gzip, is an archive. A zip may be an NPZ.
bool IsArchive(absl::string_view first_bytes);

// The parts of a name without "." and empty ones, joined by "/". INVALID_ARGUMENT for absolute names and "..".
absl::StatusOr<std::string> SafeName(absl::string_view name);

struct ArchiveEntry {
  std::string name = "";  // Safe.
  bool folder = false;
  int64_t size = 0;
  std::string link = "";   // Safe name of the file whose content this one has, too (a hard link).
  std::string fault = "";  // Why it is neither a file nor a folder: "a symbolic link; ...".
};

class ArchiveReader {
 public:
  static absl::StatusOr<ArchiveReader> Open(const InputFile& file);
  ArchiveReader(ArchiveReader&&) noexcept;
  ArchiveReader& operator=(ArchiveReader&&) noexcept;
  ~ArchiveReader();

  // The next entry; none after the last, when the whole archive was read.
  absl::StatusOr<std::optional<ArchiveEntry>> Next();
  // The content of the file that Next gave last. RESOURCE_EXHAUSTED: it is larger than `limit`, whatever was announced.
  absl::StatusOr<std::string> Content(int64_t limit);

 private:
  struct State;
  explicit ArchiveReader(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
};

}  // namespace traind::core
