#include "core/data/array_copy.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/data/dataset_dir.h"

namespace traind::core {
namespace {

constexpr int64_t kChunk = 1 << 16;  // Numbers copied at a time.

// Reads floats of either width. `first` is the index of the first one in the array.
absl::Status ReadFloats(ArrayReader& reader, int64_t first, int64_t count, std::vector<double>& wide, float* values) {
  if (reader.header().type == NumberType::kFloat32) {
    if (absl::Status status = reader.Read(values, count); !status.ok()) return status;
  } else {
    wide.resize(static_cast<size_t>(count));
    if (absl::Status status = reader.Read(wide.data(), count); !status.ok()) return status;
    for (int64_t i = 0; i < count; ++i) values[i] = static_cast<float>(wide[i]);
  }
  for (int64_t i = 0; i < count; ++i) {
    if (std::isfinite(values[i])) continue;
    const int64_t row = (first + i) / std::max<int64_t>(Elements(reader.header().shape) / reader.header().shape[0], 1);
    return BadBytes(reader.name(), reader.ByteOf(first + i),
                    absl::StrCat("number ", first + i, " (example ", row, ") is ",
                                 std::isnan(values[i]) ? "NaN" : "infinite in float32"));
  }
  return absl::OkStatus();
}

template <class T>
void ToChannelsFirst(const T* from, const Shape& shape, T* to) {
  const int64_t channels = shape[0];
  const int64_t pixels = shape[1] * shape[2];
  for (int64_t c = 0; c < channels; ++c) {
    for (int64_t p = 0; p < pixels; ++p) to[c * pixels + p] = from[p * channels + c];
  }
}

template <class T>
absl::Status CopyExamplesAs(ArrayReader& reader, const ExampleLayout& layout, ChecksummedFile& file) {
  const int64_t elements = Elements(layout.shape);
  const int64_t total = layout.count * elements;
  // One example at a time when its numbers must be put in another order.
  const int64_t chunk = std::min(total, layout.channels_last ? elements : kChunk);
  std::vector<T> numbers(static_cast<size_t>(chunk));
  std::vector<T> ordered(static_cast<size_t>(layout.channels_last ? chunk : 0));
  std::vector<double> wide;
  for (int64_t first = 0; first < total; first += chunk) {
    const int64_t count = std::min(chunk, total - first);
    absl::Status status;
    if constexpr (std::is_same_v<T, float>) {
      status = ReadFloats(reader, first, count, wide, numbers.data());
    } else {
      status = reader.Read(numbers.data(), count);
    }
    if (!status.ok()) return status;
    if (layout.channels_last) {
      ToChannelsFirst(numbers.data(), layout.shape, ordered.data());
      numbers.swap(ordered);
    }
    if (status = file.Append(numbers.data(), count); !status.ok()) return status;
  }
  return reader.Finish();
}

// The integer at `bytes`; -1 for what does not fit.
int64_t Integer(NumberType type, const char* bytes) {
  auto load = [bytes](auto value) {
    std::memcpy(&value, bytes, sizeof(value));
    return std::in_range<int64_t>(value) ? static_cast<int64_t>(value) : int64_t{-1};
  };
  switch (type) {
    case NumberType::kUint8:
      return load(uint8_t{});
    case NumberType::kInt8:
      return load(int8_t{});
    case NumberType::kUint16:
      return load(uint16_t{});
    case NumberType::kInt16:
      return load(int16_t{});
    case NumberType::kUint32:
      return load(uint32_t{});
    case NumberType::kInt32:
      return load(int32_t{});
    case NumberType::kUint64:
      return load(uint64_t{});
    case NumberType::kInt64:
      return load(int64_t{});
    case NumberType::kFloat32:
    case NumberType::kFloat64:
      break;
  }
  return -1;
}

}  // namespace

absl::Status CopyExamples(ArrayReader& reader, const ExampleLayout& layout, ChecksummedFile& file) {
  return layout.type == v1::ELEMENT_TYPE_UINT8 ? CopyExamplesAs<uint8_t>(reader, layout, file)
                                               : CopyExamplesAs<float>(reader, layout, file);
}

absl::Status CopyLabels(ArrayReader& reader, ChecksummedFile& file, int64_t* largest) {
  const int64_t total = reader.header().shape[0];
  const int64_t width = SizeOf(reader.header().type);
  std::vector<char> bytes(static_cast<size_t>(std::min(total, kChunk) * width));
  std::vector<int32_t> labels(static_cast<size_t>(std::min(total, kChunk)));
  for (int64_t first = 0; first < total; first += kChunk) {
    const int64_t count = std::min(kChunk, total - first);
    if (absl::Status status = reader.Read(bytes.data(), count); !status.ok()) return status;
    for (int64_t i = 0; i < count; ++i) {
      const int64_t label = Integer(reader.header().type, bytes.data() + i * width);
      if (label < 0 || label >= kMaxClasses) {
        return BadBytes(reader.name(), reader.ByteOf(first + i),
                        absl::StrCat("label ", first + i, " is not in [0, ", kMaxClasses, ")"));
      }
      labels[i] = static_cast<int32_t>(label);
      *largest = std::max(*largest, label);
    }
    if (absl::Status status = file.Append(labels.data(), count); !status.ok()) return status;
  }
  return reader.Finish();
}

absl::Status CopyTargets(ArrayReader& reader, ChecksummedFile& file) {
  const int64_t total = Elements(reader.header().shape);
  std::vector<float> numbers(static_cast<size_t>(std::min(total, kChunk)));
  std::vector<double> wide;
  for (int64_t first = 0; first < total; first += kChunk) {
    const int64_t count = std::min(kChunk, total - first);
    absl::Status status = ReadFloats(reader, first, count, wide, numbers.data());
    if (!status.ok()) return status;
    if (status = file.Append(numbers.data(), count); !status.ok()) return status;
  }
  return reader.Finish();
}

}  // namespace traind::core
