// Files, written so that a crash at any moment leaves the old content or the new one, and read without trusting them.
// What is made is for its owner alone (files 0600, folders 0700), where nothing else is said.
// Errors carry the path and the system's text: a missing file is NOT_FOUND, a full disk (or quota, or file size limit)
// RESOURCE_EXHAUSTED of the machine (machine.h), missing rights PERMISSION_DENIED. Functions are thread-safe, classes
// thread-compatible.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace traind::core {

// The status for an errno: "cannot <operation> <path>: <text>".
absl::Status ErrnoStatus(int error, absl::string_view operation, absl::string_view path);

inline constexpr mode_t kOwnersAlone = 0600;

// A new file, written from front to back. A file that was not closed stays until its owner removes it: write in a
// temporary folder or under a temporary name.
class OutputFile {
 public:
  // Creates or empties the file.
  static absl::StatusOr<OutputFile> Create(const std::string& path, mode_t mode = kOwnersAlone);
  // Opens or creates a file and drops what is past `size`, which must not exceed what is there (OUT_OF_RANGE).
  static absl::StatusOr<OutputFile> Resume(const std::string& path, int64_t size);
  OutputFile(OutputFile&& other) noexcept : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)) {}
  OutputFile& operator=(OutputFile&&) = delete;
  ~OutputFile();

  absl::Status Append(absl::string_view data);
  // Makes what was appended durable.
  absl::Status Sync();
  // Sync, and gives the descriptor back. The last call.
  absl::Status Close();

  const std::string& path() const { return path_; }

 private:
  OutputFile(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}

  std::string path_;
  int fd_;
};

// Creates or replaces the file and makes its content durable; a crash may leave part of it.
absl::Status WriteFile(const std::string& path, absl::string_view data, mode_t mode = kOwnersAlone);
// As WriteFile, but the file has the old content or the new one whatever happens; durable on return. `mode` is less the
// process's umask.
absl::Status AtomicWrite(const std::string& path, absl::string_view data, mode_t mode = kOwnersAlone);
// The whole file; RESOURCE_EXHAUSTED when it is larger than `limit` bytes.
absl::StatusOr<std::string> ReadFile(const std::string& path, int64_t limit);

// Creates the folder and those above it, each durable in the one above.
absl::Status CreateFolders(const std::string& path);
// Gives the file a second name, or, where the disk knows none (another volume, no hard links, too many of them), copies
// it. `to` must not exist. Durable but for its name.
absl::Status LinkOrCopy(const std::string& from, const std::string& to);
// Makes the names in a folder durable.
absl::Status SyncFolder(const std::string& path);
// Renames a file or folder (replacing a file) and makes that durable.
absl::Status Rename(const std::string& from, const std::string& to);
// Removes a file or a folder with all it holds, never what a symbolic link points to. A missing one is no error.
absl::Status RemoveAll(const std::string& path);

// The path without symbolic links, "." and "..". NOT_FOUND when it does not exist.
absl::StatusOr<std::string> RealPath(const std::string& path);
// Whether `path` lies in the folder `root` (or is it) after resolving links in both. NOT_FOUND as RealPath.
absl::StatusOr<bool> IsBelow(const std::string& root, const std::string& path);

// A regular file mapped for reading. The mapping stays valid when the file is renamed or removed; a file that another
// process makes shorter ends this one with SIGBUS, so only files that are never rewritten are mapped.
class MappedFile {
 public:
  static absl::StatusOr<MappedFile> Open(const std::string& path);
  MappedFile() = default;
  MappedFile(MappedFile&& other) noexcept { *this = std::move(other); }
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  absl::string_view data() const { return {data_, size_}; }
  int64_t size() const { return static_cast<int64_t>(size_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  const char* data_ = nullptr;
  size_t size_ = 0;
};

// For tests of crashes and full disks: called before each "create", "write", "fsync", "rename", "remove" and "link"
// with the path; when it returns an errno, the operation fails with it instead of happening. Null turns it off.
using FileFault = int (*)(absl::string_view operation, const std::string& path);
void SetFileFaultForTest(FileFault fault);

}  // namespace traind::core
