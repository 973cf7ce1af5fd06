// Room on the disk of the data folder that is kept for what must work when there is no other: the end of a job, the
// removal of things, a start of the server. It is a file, allocated in full, that is given back to the disk in pieces
// when the store needs one, and taken again as soon as there is room. While it is not whole nothing new is begun.
// Thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"

namespace traind::server {

class DiskReserve {
 public:
  // What one change of the store may need at most: a job's record of two specs, twice.
  static constexpr int64_t kLargest = int64_t{16} << 20;

  // The reserve of the folder, which it allocates as far as there is room: `size` bytes; 0: a 64th of the disk, at most
  // kLargest. Without rights to write there it stays empty.
  static std::unique_ptr<DiskReserve> Open(const std::string& folder, int64_t size = 0);
  ~DiskReserve();
  DiskReserve(const DiskReserve&) = delete;
  DiskReserve& operator=(const DiskReserve&) = delete;

  // Gives a piece back to the disk. False: there is none left.
  bool Release();
  // Takes again what is missing, if there is room for it. Whether the reserve is whole now.
  bool Restore();
  // OK when the reserve is whole and there is room beside it; otherwise RESOURCE_EXHAUSTED with the folder, the bytes
  // and what to do.
  absl::Status CheckRoom();
  struct Room {
    int64_t total_bytes = 0;  // Of the file system; 0: it does not say.
    int64_t free_bytes = 0;   // That this process may take of it.
    int64_t reserve_bytes = 0;
    int64_t held_bytes = 0;  // Of the reserve.
  };
  Room room() const;

 private:
  DiskReserve(std::string folder, int fd, int64_t size, int64_t held)
      : folder_(std::move(folder)), fd_(fd), size_(size), piece_(size / kPieces), held_(held) {}
  static constexpr int64_t kPieces = 16;

  bool RestoreLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const std::string folder_;
  const int fd_;  // -1: the file cannot be had.
  const int64_t size_;
  const int64_t piece_;
  mutable absl::Mutex mu_;
  int64_t held_ ABSL_GUARDED_BY(mu_);  // Bytes that are allocated.
};

}  // namespace traind::server
