// Aligned memory for tensors: zeroed, on huge pages where it is large, freed with its owner. Movable, not copyable.
// Thread-compatible.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <utility>

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace traind::core {

class Buffer {
 public:
  static constexpr size_t kAlignment = 64;  // A cache line, and the widest vector.

  Buffer() = default;
  // Throws nothing: data() is null when there is no memory for `bytes` (and when `bytes` is 0).
  explicit Buffer(size_t bytes) : bytes_(bytes) {
    if (bytes == 0) return;
    constexpr size_t kHugePage = size_t{2} << 20;
    const size_t alignment = bytes >= kHugePage ? kHugePage : kAlignment;
    data_ = std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
    if (data_ == nullptr) return;
#ifdef __linux__
    if (alignment == kHugePage) madvise(data_, bytes, MADV_HUGEPAGE);  // A hint: its failure changes nothing.
#endif
    std::memset(data_, 0, bytes);
  }
  Buffer(Buffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~Buffer() { std::free(data_); }

  template <class T = void>
  T* data() const {
    return static_cast<T*>(data_);
  }
  size_t bytes() const { return bytes_; }

 private:
  void* data_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace traind::core
