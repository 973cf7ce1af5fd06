// A tar archive (POSIX ustar and pax, GNU; gzipped too), read from front to back. Strict: what is neither a file nor a
// folder is refused, and so are names that lead out of the archive. Thread-compatible.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "core/data/byte_source.h"

namespace traind::core {

inline constexpr size_t kTarBlock = 512;

// Whether a file with these first bytes (a block) is a tar.
bool IsTar(absl::string_view block);

// The parts of a name without "." and empty ones, joined by "/". INVALID_ARGUMENT for absolute names and "..".
absl::StatusOr<std::string> SafeName(absl::string_view name);

struct TarEntry {
  std::string name;  // Safe.
  bool folder = false;
  int64_t size = 0;
};

class TarReader {
 public:
  static absl::StatusOr<TarReader> Open(const std::string& path);

  // The next file or folder; none after the last, when the whole archive was read.
  absl::StatusOr<std::optional<TarEntry>> Next();
  // The content of the file that Next gave last.
  absl::StatusOr<std::string> Content();

  const std::string& name() const { return source_->name(); }

 private:
  explicit TarReader(std::unique_ptr<ByteSource> source) : source_(std::move(source)) {}

  absl::Status Bad(absl::string_view what) const { return BadBytes(name(), position_, what); }
  absl::Status ReadBytes(char* buffer, size_t size, absl::string_view what);
  absl::Status Skip();
  absl::Status SkipToEnd();
  // The content of an entry that describes the next one.
  absl::StatusOr<std::string> Extension(int64_t size);
  absl::Status ReadPax(absl::string_view records);

  std::unique_ptr<ByteSource> source_;
  int64_t position_ = 0;  // In the unpacked data.
  int64_t left_ = 0;      // Of the current entry's content.
  int64_t padding_ = 0;   // After it.
  std::optional<std::string> long_name_;
  std::optional<int64_t> long_size_;
};

}  // namespace traind::core
