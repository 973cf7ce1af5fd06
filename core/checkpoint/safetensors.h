// The safetensors format: an 8-byte little-endian length, a JSON header {"name": {"dtype", "shape", "data_offsets"}},
// then the tensors' bytes without holes (docs/checkpoint-format.md). Only float32 is written; float16, bfloat16 and
// float64 are read too; of integers it is known that they are there. Data only: nothing in a file is ever executed, and
// everything is checked before it is used.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "core/base/file.h"
#include "core/tensor/tensor.h"

namespace traind::core {

// A tensor to write, made when its turn comes, so that only one need be in memory.
struct TensorSource {
  std::string name;
  Shape shape;
  // Elements(shape) numbers, row-major, valid until the next call.
  std::function<absl::Span<const float>()> values;
  bool in_parts = false;  // Each call gives the next of them; none ends it.
};

// Sources that show `tensors`, which must outlive them.
std::vector<TensorSource> SourcesOf(absl::Span<const Tensor> tensors);

struct WrittenFile {
  int64_t size_bytes = 0;
  std::string crc32;  // Eight hex digits, of the whole file.
};

// Creates or replaces `path`, durable on return; a crash may leave part of it. The order is kept. INVALID_ARGUMENT for
// names that are empty, repeated or "__metadata__", and for values that do not fill their shape. OUT_OF_RANGE names the
// first tensor with an infinity or a NaN, if only finite values may be.
absl::StatusOr<WrittenFile> WriteSafetensors(const std::string& path, absl::Span<const TensorSource> tensors,
                                             const std::map<std::string, std::string>& metadata = {},
                                             bool only_finite = false);

// A file, mapped and checked. Immutable and thread-safe.
class Safetensors {
 public:
  enum class Type { kFloat16, kBfloat16, kFloat32, kFloat64, kInteger };
  struct Entry {
    std::string name;
    Shape shape;
    Type type;
    std::string dtype;  // As the header has it: "F32", "I64".
    int64_t begin = 0;  // Of its bytes in the file.
    int64_t end = 0;
  };

  // INVALID_ARGUMENT names the tensor and the byte; NOT_FOUND without the file.
  static absl::StatusOr<Safetensors> Open(const std::string& path);

  const std::vector<Entry>& entries() const { return entries_; }    // In the order of their bytes.
  const std::vector<Entry>& integers() const { return integers_; }  // Not among them, nor found or loaded below.
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  const Entry* Find(absl::string_view name) const;  // Null when there is none.
  // The tensor's bytes, little-endian, as long as the file is open.
  absl::string_view Bytes(const Entry& entry) const {
    return file_.data().substr(static_cast<size_t>(entry.begin), static_cast<size_t>(entry.end - entry.begin));
  }
  // As many of the tensor's elements as float32 as `values` has places, from the `first` on.
  void Read(const Entry& entry, absl::Span<float> values, int64_t first = 0) const;
  // The named tensor with its values, or NOT_FOUND.
  absl::StatusOr<Tensor> Load(absl::string_view name) const;
  std::vector<Tensor> LoadAll() const;

  const std::string& path() const { return file_.path(); }

 private:
  MappedFile file_;
  std::vector<Entry> entries_;
  std::vector<Entry> integers_;
  std::map<std::string, size_t, std::less<>> index_;  // By name.
  std::map<std::string, std::string> metadata_;
};

}  // namespace traind::core
