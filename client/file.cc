#include "client/file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace traind::client {
namespace {

constexpr size_t kBlockBytes = 1 << 20;

}  // namespace

absl::StatusOr<File> File::Open(const std::string& path, int flags) {
  const int descriptor = open(path.c_str(), flags | O_CLOEXEC, 0666);
  if (descriptor < 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot open ", path));
  return File(path, descriptor);
}

File::~File() {
  if (descriptor_ >= 0) close(descriptor_);
}

absl::Status File::Error(absl::string_view action) const {
  return absl::ErrnoToStatus(errno, absl::StrCat("cannot ", action, " ", path_));
}

absl::StatusOr<int64_t> File::Size() const {
  struct stat info;
  if (fstat(descriptor_, &info) != 0) return Error("look at");
  if (!S_ISREG(info.st_mode)) return absl::InvalidArgumentError(absl::StrCat(path_, " is not a regular file"));
  return info.st_size;
}

absl::Status File::ReadAt(int64_t offset, size_t size, std::string* bytes) const {
  bytes->resize(size);
  size_t done = 0;
  while (done < size) {
    const ssize_t n = pread(descriptor_, bytes->data() + done, size - done, offset + static_cast<int64_t>(done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Error("read");
    if (n == 0) break;
    done += static_cast<size_t>(n);
  }
  bytes->resize(done);
  return absl::OkStatus();
}

absl::Status File::WriteAt(int64_t offset, absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = pwrite(descriptor_, bytes.data(), bytes.size(), offset);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Error("write");
    bytes.remove_prefix(static_cast<size_t>(n));
    offset += n;
  }
  return absl::OkStatus();
}

absl::Status File::Truncate() { return ftruncate(descriptor_, 0) == 0 ? absl::OkStatus() : Error("truncate"); }

absl::Status File::Sync() { return fsync(descriptor_) == 0 ? absl::OkStatus() : Error("sync"); }

absl::Status File::Lock() {
  if (flock(descriptor_, LOCK_EX | LOCK_NB) == 0) return absl::OkStatus();
  if (errno != EWOULDBLOCK) return Error("lock");
  return absl::AbortedError(absl::StrCat("another process is writing ", path_));
}

absl::StatusOr<std::string> File::Crc32() const {
  uLong crc = crc32(0, nullptr, 0);
  std::string block;
  int64_t offset = 0;
  do {
    if (absl::Status status = ReadAt(offset, kBlockBytes, &block); !status.ok()) return status;
    crc = crc32(crc, reinterpret_cast<const Bytef*>(block.data()), static_cast<uInt>(block.size()));
    offset += static_cast<int64_t>(block.size());
  } while (block.size() == kBlockBytes);
  return absl::StrFormat("%08x", crc);
}

absl::StatusOr<std::string> ReadText(const std::string& path, size_t max_bytes) {
  const bool standard_input = path == "-";
  const std::string name = standard_input ? "the standard input" : path;
  const int descriptor = standard_input ? dup(STDIN_FILENO) : open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot open ", name));
  absl::Cleanup close_it = [descriptor] { close(descriptor); };
  std::string text;
  std::string block(kBlockBytes, '\0');
  while (true) {
    const ssize_t n = read(descriptor, block.data(), block.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EISDIR) return absl::InvalidArgumentError(absl::StrCat(name, " is a folder, not a file"));
    if (n < 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot read ", name));
    if (n == 0) return text;
    text.append(block, 0, static_cast<size_t>(n));
    if (text.size() > max_bytes) {
      const bool large = max_bytes >= 1 << 20;
      return absl::InvalidArgumentError(
          absl::StrCat(name, " has more than ", large ? max_bytes >> 20 : max_bytes, large ? " MiB" : " bytes"));
    }
  }
}

std::string PartPath(const std::string& path) { return absl::StrCat(path, ".part"); }

absl::StatusOr<File> OpenPart(const std::string& path) {
  if (absl::Status status = CheckReplaceable(path); !status.ok()) return status;
  absl::StatusOr<File> part = File::Open(PartPath(path), O_RDWR | O_CREAT);
  if (!part.ok()) return part.status();
  if (absl::Status status = part->Lock(); !status.ok()) return status;
  return part;
}

absl::Status CheckReplaceable(const std::string& path) {
  struct stat there;
  if (stat(path.c_str(), &there) != 0 || S_ISREG(there.st_mode)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(path, " is no regular file, and is not replaced by one"));
}

absl::Status RenameDurably(const std::string& from, const std::string& to) {
  if (rename(from.c_str(), to.c_str()) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot rename ", from, " to ", to));
  }
  const std::filesystem::path folder = std::filesystem::path(to).parent_path();
  absl::StatusOr<File> opened = File::Open(folder.empty() ? "." : folder.string(), O_RDONLY | O_DIRECTORY);
  return opened.ok() ? opened->Sync() : opened.status();
}

}  // namespace traind::client
