// Local files of the transfers. Errors name the path and the system's reason.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace traind::client {

// An open file. Owns the descriptor; movable, thread-compatible.
class File {
 public:
  // `flags` as of open(2); a new file gets mode 0666 less the umask.
  static absl::StatusOr<File> Open(const std::string& path, int flags);
  ~File();
  File(File&& other) noexcept : path_(std::move(other.path_)), descriptor_(std::exchange(other.descriptor_, -1)) {}
  File& operator=(File&&) = delete;

  absl::StatusOr<int64_t> Size() const;  // Of a regular file; anything else is INVALID_ARGUMENT.
  // Up to `size` bytes at `offset`; fewer only at the end of the file.
  absl::Status ReadAt(int64_t offset, size_t size, std::string* bytes) const;
  absl::Status WriteAt(int64_t offset, absl::string_view bytes);
  absl::Status Truncate();  // To nothing.
  absl::Status Sync();
  // ABORTED when another process has the lock. Held until the file is closed.
  absl::Status Lock();
  // CRC-32 (IEEE 802.3) of the whole file as eight hex digits.
  absl::StatusOr<std::string> Crc32() const;

 private:
  File(std::string path, int descriptor) : path_(std::move(path)), descriptor_(descriptor) {}
  absl::Status Error(absl::string_view action) const;

  std::string path_;
  int descriptor_;
};

// A whole file, or what a pipe brings until its end; "-" is the standard input. INVALID_ARGUMENT: a folder, or more
// than `max_bytes`.
absl::StatusOr<std::string> ReadText(const std::string& path, size_t max_bytes);

// INVALID_ARGUMENT: there is something other than a regular file at `path`, such as a folder or /dev/null, in the place
// of which no file should come.
absl::Status CheckReplaceable(const std::string& path);

// Where a download to `path` lies until it is whole: "<path>.part".
std::string PartPath(const std::string& path);
// That file, made if absent, and locked: errors as of CheckReplaceable, File::Open and File::Lock.
absl::StatusOr<File> OpenPart(const std::string& path);

// Gives a file its final name, replacing what was there, durably.
absl::Status RenameDurably(const std::string& from, const std::string& to);

}  // namespace traind::client
