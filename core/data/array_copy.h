// Copies the arrays of a dataset from the files of an import to those that are kept, a piece at a time: converts types,
// puts channels first, and refuses numbers that cannot be trained on, with their place. Thread-compatible.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "core/base/checksum.h"
#include "core/base/file.h"
#include "core/data/array_reader.h"
#include "core/tensor/tensor.h"
#include "traind/v1/dataset.pb.h"

namespace traind::core {

// How the examples of a split are stored from what the file has.
struct ExampleLayout {
  int64_t count = 0;
  Shape shape;  // Of one stored example.
  v1::ElementType type = v1::ELEMENT_TYPE_UNSPECIFIED;
  bool channels_last = false;  // In the file.
};

// A file of the dataset: every byte goes into the split's checksum too.
class ChecksummedFile {
 public:
  static absl::StatusOr<ChecksummedFile> Create(const std::string& path, Crc32* crc) {
    auto file = OutputFile::Create(path);
    if (!file.ok()) return file.status();
    return ChecksummedFile(*std::move(file), crc);
  }
  absl::Status Append(absl::string_view data) {
    crc_->Update(data);
    size_ += static_cast<int64_t>(data.size());
    return file_.Append(data);
  }
  template <class T>
  absl::Status Append(const T* numbers, int64_t count) {
    return Append({reinterpret_cast<const char*>(numbers), static_cast<size_t>(count) * sizeof(T)});
  }
  absl::Status Close() { return file_.Close(); }
  int64_t size() const { return size_; }

 private:
  ChecksummedFile(OutputFile file, Crc32* crc) : file_(std::move(file)), crc_(crc) {}

  OutputFile file_;
  Crc32* crc_;
  int64_t size_ = 0;
};

// Each reads the whole array, checks that its file ends there, and appends the numbers.

// As uint8 or float32, [N, features] or [N, channels, height, width]. Non-finite numbers are refused.
absl::Status CopyExamples(ArrayReader& reader, const ExampleLayout& layout, ChecksummedFile& file);
// Integers as int32 in [0, kMaxClasses). `largest` becomes the largest label if that is larger than it was.
absl::Status CopyLabels(ArrayReader& reader, ChecksummedFile& file, int64_t* largest);
// Floats as float32. Non-finite numbers are refused.
absl::Status CopyTargets(ArrayReader& reader, ChecksummedFile& file);

}  // namespace traind::core
