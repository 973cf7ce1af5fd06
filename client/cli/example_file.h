// Examples of one's own, out of a NumPy file: [N, features] or [N, channels, height, width], float32, float64 or uint8.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/file.h"
#include "traind/v1/model_service.pb.h"

namespace traind::client {

// Thread-compatible; holds no examples in memory.
class ExampleFile {
 public:
  // INVALID_ARGUMENT: the file is no .npy file of such numbers.
  static absl::StatusOr<ExampleFile> Open(const std::string& path);

  int64_t examples() const { return shape_.front(); }
  int64_t example_size() const;  // Numbers.
  // The examples from `first` on, `count` of them.
  absl::StatusOr<v1::Examples> Read(int64_t first, int64_t count) const;

 private:
  enum class Type { kFloat32, kFloat64, kUint8 };

  ExampleFile(File file, Type type, std::vector<int64_t> shape, int64_t offset)
      : file_(std::move(file)), type_(type), shape_(std::move(shape)), offset_(offset) {}
  static absl::StatusOr<ExampleFile> Parse(const std::string& path, File file, const std::string& header,
                                           int64_t offset);
  int64_t NumberSize() const;

  File file_;
  Type type_;
  std::vector<int64_t> shape_;
  int64_t offset_;  // Of the first number.
};

}  // namespace traind::client
