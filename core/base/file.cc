#include "core/base/file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <system_error>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/base/machine.h"

namespace traind::core {
namespace {

std::atomic<FileFault> file_fault = nullptr;

// The error to fail with instead of doing the operation, or 0.
int Fault(absl::string_view operation, const std::string& path) {
  const FileFault fault = file_fault.load(std::memory_order_relaxed);
  return fault == nullptr ? 0 : fault(operation, path);
}

std::string Parent(const std::string& path) {
  const std::string parent = std::filesystem::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

absl::StatusOr<int> OpenForWriting(const std::string& path, int flags, mode_t mode) {
  if (int error = Fault("create", path)) return ErrnoStatus(error, "create", path);
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | flags, mode);
  if (fd < 0) return ErrnoStatus(errno, "create", path);
  return fd;
}

absl::StatusOr<int> OpenForReading(const std::string& path, struct stat* info) {
  // Without O_NONBLOCK, opening a FIFO would wait for a writer.
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return ErrnoStatus(errno, "open", path);
  if (fstat(fd, info) != 0) {
    const int error = errno;
    close(fd);
    return ErrnoStatus(error, "stat", path);
  }
  if (!S_ISREG(info->st_mode)) {
    close(fd);
    return absl::InvalidArgumentError(absl::StrCat(path, S_ISDIR(info->st_mode) ? " is a folder" : " is not a file"));
  }
  return fd;
}

}  // namespace

void SetFileFaultForTest(FileFault fault) { file_fault = fault; }

absl::Status ErrnoStatus(int error, absl::string_view operation, absl::string_view path) {
  const std::string message =
      absl::StrCat("cannot ", operation, " ", path, ": ", std::generic_category().message(error));
  switch (error) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case ENOMEM:
    case EMFILE:
    case ENFILE:
      return OfMachine(absl::ResourceExhaustedError(message));
    case ENOENT:
    case ENOTDIR:
      return absl::NotFoundError(message);
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::PermissionDeniedError(message);
    case EEXIST:
    case ENOTEMPTY:
      return absl::AlreadyExistsError(message);
    case EINVAL:
    case ENAMETOOLONG:
    case ELOOP:
    case EISDIR:
      return absl::InvalidArgumentError(message);
    default:
      return absl::InternalError(message);
  }
}

absl::StatusOr<OutputFile> OutputFile::Create(const std::string& path, mode_t mode) {
  auto fd = OpenForWriting(path, O_TRUNC, mode);
  if (!fd.ok()) return fd.status();
  return OutputFile(path, *fd);
}

absl::StatusOr<OutputFile> OutputFile::Resume(const std::string& path, int64_t size) {
  auto fd = OpenForWriting(path, 0, kOwnersAlone);
  if (!fd.ok()) return fd.status();
  OutputFile file(path, *fd);
  struct stat info;
  if (fstat(*fd, &info) != 0) return ErrnoStatus(errno, "stat", path);
  if (size < 0 || size > info.st_size) {
    return absl::OutOfRangeError(absl::StrCat(path, " has ", info.st_size, " bytes, fewer than ", size));
  }
  if (ftruncate(*fd, size) != 0) return ErrnoStatus(errno, "truncate", path);
  if (lseek(*fd, size, SEEK_SET) < 0) return ErrnoStatus(errno, "seek in", path);
  return file;
}

OutputFile::~OutputFile() {
  if (fd_ >= 0) close(fd_);
}

absl::Status OutputFile::Append(absl::string_view data) {
  if (int error = Fault("write", path_)) return ErrnoStatus(error, "write", path_);
  while (!data.empty()) {
    const ssize_t n = write(fd_, data.data(), data.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoStatus(errno, "write", path_);
    data.remove_prefix(static_cast<size_t>(n));
  }
  return absl::OkStatus();
}

absl::Status OutputFile::Sync() {
  if (int error = Fault("fsync", path_)) return ErrnoStatus(error, "fsync", path_);
  if (fsync(fd_) != 0) return ErrnoStatus(errno, "fsync", path_);
  return absl::OkStatus();
}

absl::Status OutputFile::Close() {
  absl::Status status = Sync();
  if (close(std::exchange(fd_, -1)) != 0 && status.ok()) status = ErrnoStatus(errno, "close", path_);
  return status;
}

absl::Status WriteFile(const std::string& path, absl::string_view data, mode_t mode) {
  auto file = OutputFile::Create(path, mode);
  if (!file.ok()) return file.status();
  if (absl::Status status = file->Append(data); !status.ok()) return status;
  return file->Close();
}

absl::Status AtomicWrite(const std::string& path, absl::string_view data, mode_t mode) {
  // A rename would put the file in the place of a device, such as /dev/null.
  if (struct stat there; stat(path.c_str(), &there) == 0 && !S_ISREG(there.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat(path, " is no regular file, and is not replaced by one"));
  }
  // Unique within the process and between processes, so that two writers never share a temporary file.
  static std::atomic<uint64_t> counter = 0;
  const std::string temporary = absl::StrCat(path, ".tmp-", getpid(), "-", counter.fetch_add(1));
  absl::Status status = WriteFile(temporary, data, mode);
  if (status.ok()) status = Rename(temporary, path);
  if (!status.ok()) unlink(temporary.c_str());
  return status;
}

absl::StatusOr<std::string> ReadFile(const std::string& path, int64_t limit) {
  struct stat info;
  auto fd = OpenForReading(path, &info);
  if (!fd.ok()) return fd.status();
  auto close_fd = absl::MakeCleanup([&] { close(*fd); });
  std::string content;
  // Read to the end rather than up to st_size: files below /proc report a size of 0.
  char buffer[1 << 14];
  for (;;) {
    const ssize_t n = read(*fd, buffer, sizeof(buffer));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoStatus(errno, "read", path);
    if (n == 0) return content;
    if (static_cast<int64_t>(content.size()) + n > limit) {
      return absl::ResourceExhaustedError(absl::StrCat(path, " is larger than ", limit, " bytes"));
    }
    content.append(buffer, static_cast<size_t>(n));
  }
}

absl::Status CreateFolders(const std::string& path) {
  if (int error = Fault("create", path)) return ErrnoStatus(error, "create", path);
  std::error_code error;
  std::vector<std::string> missing;  // The last one is the highest.
  for (std::string folder = path; !std::filesystem::exists(folder, error); folder = Parent(folder)) {
    if (error) return ErrnoStatus(error.value(), "create", folder);
    missing.push_back(folder);
  }
  for (auto folder = missing.rbegin(); folder != missing.rend(); ++folder) {
    if (mkdir(folder->c_str(), S_IRWXU) != 0 && errno != EEXIST) return ErrnoStatus(errno, "create", *folder);
  }
  if (!std::filesystem::is_directory(path, error)) return ErrnoStatus(ENOTDIR, "create", path);
  for (const std::string& folder : missing) {
    const absl::Status status = SyncFolder(Parent(folder));
    if (status.ok()) continue;
    for (const std::string& made : missing) rmdir(made.c_str());
    return status;
  }
  return absl::OkStatus();
}

absl::Status LinkOrCopy(const std::string& from, const std::string& to) {
  int error = Fault("link", to);
  if (error == 0 && link(from.c_str(), to.c_str()) != 0) error = errno;
  if (error == 0) return absl::OkStatus();
  if (error != EXDEV && error != EMLINK && error != EPERM && error != EOPNOTSUPP) {
    return ErrnoStatus(error, absl::StrCat("link ", from, " to"), to);
  }
  auto content = MappedFile::Open(from);
  if (!content.ok()) return content.status();
  const absl::Status written = WriteFile(to, content->data());
  if (!written.ok()) unlink(to.c_str());
  return written;
}

absl::Status SyncFolder(const std::string& path) {
  if (int error = Fault("fsync", path)) return ErrnoStatus(error, "fsync", path);
  const int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return ErrnoStatus(errno, "open", path);
  const int error = fsync(fd) == 0 ? 0 : errno;
  close(fd);
  return error == 0 ? absl::OkStatus() : ErrnoStatus(error, "fsync", path);
}

absl::Status Rename(const std::string& from, const std::string& to) {
  const int fault = Fault("rename", to);
  if (fault != 0) return ErrnoStatus(fault, absl::StrCat("rename ", from, " to"), to);
  if (rename(from.c_str(), to.c_str()) != 0) return ErrnoStatus(errno, absl::StrCat("rename ", from, " to"), to);
  return SyncFolder(Parent(to));
}

absl::Status RemoveAll(const std::string& path) {
  if (int error = Fault("remove", path)) return ErrnoStatus(error, "remove", path);
  std::error_code error;
  std::filesystem::remove_all(path, error);
  if (error) return ErrnoStatus(error.value(), "remove", path);
  return absl::OkStatus();
}

absl::StatusOr<std::string> RealPath(const std::string& path) {
  // A NUL byte would end the path early for the system.
  if (path.find('\0') != std::string::npos) return absl::InvalidArgumentError("a path must not hold a NUL byte");
  const std::unique_ptr<char, decltype(&free)> resolved(realpath(path.c_str(), nullptr), &free);
  if (resolved == nullptr) return ErrnoStatus(errno, "resolve", path);
  return std::string(resolved.get());
}

absl::StatusOr<bool> IsBelow(const std::string& root, const std::string& path) {
  auto real_root = RealPath(root);
  if (!real_root.ok()) return real_root.status();
  auto real_path = RealPath(path);
  if (!real_path.ok()) return real_path.status();
  return *real_root == "/" || *real_path == *real_root || absl::StartsWith(*real_path, absl::StrCat(*real_root, "/"));
}

absl::StatusOr<MappedFile> MappedFile::Open(const std::string& path) {
  struct stat info;
  auto fd = OpenForReading(path, &info);
  if (!fd.ok()) return fd.status();
  MappedFile file;
  file.path_ = path;
  if (info.st_size > 0) {  // An empty file cannot be mapped, and needs no mapping.
    void* data = mmap(nullptr, static_cast<size_t>(info.st_size), PROT_READ, MAP_SHARED, *fd, 0);
    const int error = errno;
    close(*fd);
    if (data == MAP_FAILED) return ErrnoStatus(error, "map", path);
    file.data_ = static_cast<const char*>(data);
    file.size_ = static_cast<size_t>(info.st_size);
  } else {
    close(*fd);
  }
  return file;
}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) munmap(const_cast<char*>(data_), size_);
}

}  // namespace traind::core
