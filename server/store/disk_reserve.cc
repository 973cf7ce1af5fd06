#include "server/store/disk_reserve.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "spdlog/spdlog.h"

namespace traind::server {
namespace {

constexpr int64_t kSmallest = int64_t{256} << 10;
constexpr int64_t kShareOfDisk = 64;

struct Disk {
  int64_t total = 0;
  int64_t free = 0;  // For this process.
};

// Without an answer there is room: the writes themselves will say.
Disk DiskOf(const std::string& folder) {
  struct statvfs info;
  if (statvfs(folder.c_str(), &info) != 0) return {.total = INT64_MAX, .free = INT64_MAX};
  const auto unit = static_cast<int64_t>(info.f_frsize);
  const auto blocks = static_cast<int64_t>(geteuid() == 0 ? info.f_bfree : info.f_bavail);
  return {.total = static_cast<int64_t>(info.f_blocks) * unit, .free = blocks * unit};
}

int Allocate(int fd, int64_t size) {
  int error = EINTR;
  while (error == EINTR) error = posix_fallocate(fd, 0, size);
  return error;
}

}  // namespace

std::unique_ptr<DiskReserve> DiskReserve::Open(const std::string& folder, int64_t size) {
  if (size == 0) size = std::clamp(DiskOf(folder).total / kShareOfDisk, kSmallest, kLargest);
  const int fd = open((folder + "/reserve").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  int64_t held = 0;
  struct stat info;
  if (fd < 0) {
    spdlog::warn("no reserve of disk space in {}: {}", folder, std::strerror(errno));
  } else if (fstat(fd, &info) == 0) {
    held = std::min<int64_t>({info.st_size, info.st_blocks * 512, size});
  }
  auto reserve = std::unique_ptr<DiskReserve>(new DiskReserve(folder, fd, size, held));
  reserve->Restore();
  return reserve;
}

DiskReserve::~DiskReserve() {
  if (fd_ >= 0) close(fd_);
}

bool DiskReserve::Release() {
  absl::MutexLock lock(&mu_);
  if (fd_ < 0 || held_ <= 0) return false;
  const int64_t left = std::max<int64_t>(held_ - piece_, 0);
  if (ftruncate(fd_, left) != 0) return false;
  held_ = left;
  return true;
}

bool DiskReserve::Restore() {
  absl::MutexLock lock(&mu_);
  return RestoreLocked();
}

bool DiskReserve::RestoreLocked() {
  if (fd_ < 0 || held_ == size_) return true;
  // A piece more, or what was restored would be needed again at once.
  if (DiskOf(folder_).free < size_ - held_ + piece_) return false;
  if (Allocate(fd_, size_) == 0) {
    held_ = size_;
    return true;
  }
  // What was allocated in part; making a file shorter needs no room.
  [[maybe_unused]] const int cut = ftruncate(fd_, held_);
  return false;
}

DiskReserve::Room DiskReserve::room() const {
  Disk disk = DiskOf(folder_);
  if (disk.total == INT64_MAX) disk = {};
  absl::MutexLock lock(&mu_);
  return {.total_bytes = disk.total, .free_bytes = disk.free, .reserve_bytes = size_, .held_bytes = held_};
}

absl::Status DiskReserve::CheckRoom() {
  absl::MutexLock lock(&mu_);
  const bool whole = RestoreLocked();
  const int64_t free = DiskOf(folder_).free;
  if (whole && free >= piece_) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat(
      "the disk of ", folder_, " is full: ", free, " bytes are free",
      whole ? "" : absl::StrCat(", and ", size_ - held_, " are missing to the server's reserve of ", size_),
      "; delete jobs, models or datasets, or make room there"));
}

}  // namespace traind::server
