// Reads the JSON header of a safetensors file: exactly the structure the format has, nothing more, with memory in
// proportion to the tensors it names.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace traind::core {

// A safetensors file begins with the length of its header, in as many bytes.
inline constexpr int64_t kLengthBytes = 8;

struct SafetensorsHeader {
  struct Tensor {
    std::string name;
    std::string dtype;
    std::vector<int64_t> shape;
    std::vector<int64_t> data_offsets;  // Two, from the end of the header.
  };
  std::vector<Tensor> tensors;  // In the order of the header, names unique.
  std::map<std::string, std::string> metadata;
};

// INVALID_ARGUMENT "byte <of the file>: ..."; the header begins at byte 8.
absl::StatusOr<SafetensorsHeader> ParseSafetensorsHeader(absl::string_view json);

}  // namespace traind::core
