// Files of weights as other programs have them: safetensors, the initializers of an ONNX file, and other names for
// tensors. Files are read as a whole, up to 2 GiB.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace traind::client {

struct FileTensor {
  std::string name;
  std::string dtype;  // As safetensors says it: "F32".
  std::vector<int64_t> shape;
  std::string bytes;  // Row-major, little-endian.
};

struct TensorFile {
  std::vector<FileTensor> tensors;
  std::string metadata;               // Of safetensors, as JSON; empty: none.
  std::vector<std::string> left_out;  // What the file has besides, and why it is not taken; for people.
};

// INVALID_ARGUMENT: the file is none, or larger. Errors of reading it.
absl::StatusOr<TensorFile> ReadSafetensors(const std::string& path);
// The initializers of floats. What `trainctl model export` adds to the weights is left out without a word.
// INVALID_ARGUMENT, too, for tensors whose numbers are in another file.
absl::StatusOr<TensorFile> ReadOnnx(const std::string& path);
// Replaces what is there.
absl::Status WriteSafetensors(const std::string& path, const TensorFile& file);

// Pairs of names, ours and another program's.
class TensorNames {
 public:
  // "torch": the names that PyTorch gives where they differ (a PReLU's slope is its weight). Else a file of lines
  // "OURS THEIRS", each a tensor or the part of its name before a dot; "#" begins a comment.
  static absl::StatusOr<TensorNames> Read(const std::string& which);

  // INVALID_ARGUMENT: two tensors get one name; or there are no names of the other side to be found ("torch").
  absl::Status ToTheirs(TensorFile& file) const;
  absl::Status ToOurs(TensorFile& file) const;

 private:
  bool torch_ = false;
  std::map<std::string, std::string> theirs_, ours_;
};

}  // namespace traind::client
