// A file of a dataset while an import writes it: every byte goes into the split's checksum too. Thread-compatible.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "core/base/checksum.h"
#include "core/base/file.h"

namespace traind::core {

class ChecksummedFile {
 public:
  // `progress`, unless null, is called for each piece that was appended, with its bytes.
  static absl::StatusOr<ChecksummedFile> Create(const std::string& path, Crc32* crc,
                                                const std::function<void(size_t)>* progress) {
    auto file = OutputFile::Create(path);
    if (!file.ok()) return file.status();
    return ChecksummedFile(*std::move(file), crc, progress);
  }
  absl::Status Append(absl::string_view data) {
    crc_->Update(data);
    size_ += static_cast<int64_t>(data.size());
    if (progress_ != nullptr) (*progress_)(data.size());
    return file_.Append(data);
  }
  template <class T>
  absl::Status Append(const T* numbers, int64_t count) {
    return Append({reinterpret_cast<const char*>(numbers), static_cast<size_t>(count) * sizeof(T)});
  }
  absl::Status Close() { return file_.Close(); }
  int64_t size() const { return size_; }

 private:
  ChecksummedFile(OutputFile file, Crc32* crc, const std::function<void(size_t)>* progress)
      : file_(std::move(file)), crc_(crc), progress_(progress) {}

  OutputFile file_;
  Crc32* crc_;
  const std::function<void(size_t)>* progress_;
  int64_t size_ = 0;
};

}  // namespace traind::core
