// A folder as a tar archive (POSIX.1-2017 pax) that exists nowhere as a whole: its bytes are made when they are read.
// The same files give the same bytes, whoever owns them and whenever they were changed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace traind::client {

// Thread-compatible. Errors name the file.
class PackedFolder {
 public:
  // Lists the folder, in the order of the names. What begins with a dot is left out; links to files are followed. What
  // is neither a file nor a folder is INVALID_ARGUMENT, and so is a link to a folder.
  static absl::StatusOr<PackedFolder> Open(const std::string& path);

  int64_t size() const { return size_; }
  int64_t num_files() const { return num_files_; }
  int64_t num_hidden() const { return num_hidden_; }  // Files and folders that were left out.
  // Up to `size` bytes of the archive at `offset`; fewer only at its end. ABORTED: a file has changed its size.
  absl::Status ReadAt(int64_t offset, size_t size, std::string* bytes) const;
  // CRC-32 (IEEE 802.3) of the archive as eight hex digits. Reads all files.
  absl::StatusOr<std::string> Crc32() const;

 private:
  struct Member {
    std::string name;   // Below the folder; of a folder it ends in "/".
    int64_t size = 0;   // Of the content.
    int64_t begin = 0;  // Of the header, in the archive.
  };

  explicit PackedFolder(std::string path) : path_(std::move(path)) {}
  absl::Status List(const std::string& below, int depth);
  absl::Status Add(const std::string& name, int64_t size);

  std::string path_;
  std::vector<Member> members_;
  int64_t size_ = 0;
  int64_t num_files_ = 0;
  int64_t num_hidden_ = 0;
};

}  // namespace traind::client
