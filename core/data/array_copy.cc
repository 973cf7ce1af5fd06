#include "core/data/array_copy.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/data/dataset_dir.h"

namespace traind::core {
namespace {

constexpr int64_t kChunk = 1 << 16;  // Numbers copied at a time.

// An integer of any type; what lies past int64 has its text alone.
struct Integer {
  int64_t value = 0;
  bool fits = true;
  std::string text = "";
};

Integer IntegerAt(NumberType type, const char* bytes) {
  const auto load = [bytes](auto value) {
    std::memcpy(&value, bytes, sizeof(value));
    if (std::in_range<int64_t>(value)) return Integer{.value = static_cast<int64_t>(value)};
    return Integer{.fits = false, .text = absl::StrCat(value)};
  };
  switch (type) {
    case NumberType::kUint8:
    case NumberType::kBool:
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
    case NumberType::kFloat16:
    case NumberType::kFloat32:
    case NumberType::kFloat64:
      break;
  }
  return {.fits = false, .text = "no integer"};
}

std::string TextOf(const Integer& integer) { return integer.fits ? absl::StrCat(integer.value) : integer.text; }

// IEEE 754 binary16: a sign, 5 bits of exponent (15 is 0), 10 of fraction.
float HalfToFloat(const char* bytes) {
  uint16_t half;
  std::memcpy(&half, bytes, sizeof(half));
  const int exponent = half >> 10 & 0x1f;
  const int fraction = half & 0x3ff;
  float value;
  if (exponent == 0x1f) {
    value = fraction == 0 ? INFINITY : NAN;
  } else {
    value = std::ldexp(static_cast<float>(exponent == 0 ? fraction : fraction + 1024), std::max(exponent, 1) - 25);
  }
  return (half & 0x8000) != 0 ? -value : value;
}

// Reads numbers of an array, of any type, as float32.
class FloatReader {
 public:
  explicit FloatReader(ArrayReader& reader) : reader_(reader) {}

  // The next `count` numbers.
  absl::Status Read(float* values, int64_t count) {
    const NumberType type = reader_.header().type;
    const int64_t width = SizeOf(type);
    if (type == NumberType::kFloat32) {
      if (absl::Status status = reader_.Read(values, count); !status.ok()) return status;
    } else {
      bytes_.resize(static_cast<size_t>(count * width));
      if (absl::Status status = reader_.Read(bytes_.data(), count); !status.ok()) return status;
      for (int64_t i = 0; i < count; ++i) {
        if (absl::Status status = Convert(type, bytes_.data() + i * width, i, values + i); !status.ok()) return status;
      }
    }
    for (int64_t i = 0; i < count; ++i) {
      if (!std::isfinite(values[i])) return Bad(i, std::isnan(values[i]) ? "NaN" : "infinite in float32");
    }
    first_ += count;
    return absl::OkStatus();
  }

 private:
  absl::Status Bad(int64_t i, absl::string_view what) const {
    const Shape& shape = reader_.header().shape;
    const int64_t row = (first_ + i) / std::max<int64_t>(Elements(shape) / shape[0], 1);
    return BadBytes(reader_.name(), reader_.ByteOf(first_ + i),
                    absl::StrCat("number ", first_ + i, " (example ", row, ") is ", what));
  }

  absl::Status Convert(NumberType type, const char* bytes, int64_t i, float* value) const {
    if (type == NumberType::kFloat16) {
      *value = HalfToFloat(bytes);
    } else if (type == NumberType::kFloat64) {
      double wide;
      std::memcpy(&wide, bytes, sizeof(wide));
      *value = static_cast<float>(wide);
    } else {
      const Integer integer = IntegerAt(type, bytes);
      *value = static_cast<float>(integer.value);
      // 64 bits of fraction hold both.
      if (!integer.fits || static_cast<long double>(*value) != static_cast<long double>(integer.value)) {
        return Bad(i, absl::StrCat(TextOf(integer), ", which float32 does not hold exactly: scale it, or save floats"));
      }
    }
    return absl::OkStatus();
  }

  ArrayReader& reader_;
  int64_t first_ = 0;  // Of the numbers of the next call, in the array.
  std::vector<char> bytes_;
};

// Bytes as they are; those of bool must be 0 or 1.
class ByteReader {
 public:
  explicit ByteReader(ArrayReader& reader) : reader_(reader) {}
  absl::Status Read(uint8_t* values, int64_t count) {
    absl::Status status = reader_.Read(values, count);
    if (!status.ok() || reader_.header().type != NumberType::kBool) return status;
    for (int64_t i = 0; i < count; ++i, ++first_) {
      if (values[i] > 1) return BadBytes(reader_.name(), reader_.ByteOf(first_), "a bool that is neither 0 nor 1");
    }
    return status;
  }

 private:
  ArrayReader& reader_;
  int64_t first_ = 0;
};

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
  std::conditional_t<std::is_same_v<T, float>, FloatReader, ByteReader> source(reader);
  for (int64_t first = 0; first < total; first += chunk) {
    const int64_t count = std::min(chunk, total - first);
    absl::Status status = source.Read(numbers.data(), count);
    if (!status.ok()) return status;
    if (layout.channels_last) {
      ToChannelsFirst(numbers.data(), layout.shape, ordered.data());
      numbers.swap(ordered);
    }
    if (status = file.Append(numbers.data(), count); !status.ok()) return status;
  }
  return reader.Finish();
}

// The class of one row: its number, or where its single 1 stands. -1: neither, as `fault` says.
int64_t LabelOf(NumberType type, const char* row, int64_t width, std::string* fault) {
  const Integer first = IntegerAt(type, row);
  if (width == 1) {
    if (first.fits && first.value >= 0 && first.value < kMaxClasses) return first.value;
    *fault = absl::StrCat(" is not in [0, ", kMaxClasses, ")");
    return -1;
  }
  int64_t label = -1;
  for (int64_t k = 0; k < width; ++k) {
    const Integer number = IntegerAt(type, row + k * SizeOf(type));
    if (number.fits && number.value == 0) continue;
    if (!number.fits || number.value != 1 || label >= 0) {
      label = -1;
      break;
    }
    label = k;
  }
  if (label < 0)
    *fault = " is not one-hot: a single 1, otherwise zeros; targets of several numbers are saved as float32";
  return label;
}

}  // namespace

absl::Status CopyExamples(ArrayReader& reader, const ExampleLayout& layout, ChecksummedFile& file) {
  return layout.type == v1::ELEMENT_TYPE_UINT8 ? CopyExamplesAs<uint8_t>(reader, layout, file)
                                               : CopyExamplesAs<float>(reader, layout, file);
}

absl::Status CopyLabels(ArrayReader& reader, ChecksummedFile& file, int64_t* largest) {
  const ArrayHeader& header = reader.header();
  const int64_t total = header.shape[0];
  const int64_t width = header.shape.size() == 2 ? header.shape[1] : 1;
  const int64_t row_bytes = width * SizeOf(header.type);
  const int64_t rows = std::max<int64_t>(kChunk / width, 1);
  std::vector<char> bytes(static_cast<size_t>(std::min(total, rows) * row_bytes));
  std::vector<int32_t> labels(static_cast<size_t>(std::min(total, rows)));
  if (width > 1) *largest = std::max(*largest, width - 1);
  for (int64_t first = 0; first < total; first += rows) {
    const int64_t count = std::min(rows, total - first);
    if (absl::Status status = reader.Read(bytes.data(), count * width); !status.ok()) return status;
    for (int64_t i = 0; i < count; ++i) {
      const char* row = bytes.data() + i * row_bytes;
      std::string fault;
      const int64_t label = LabelOf(header.type, row, width, &fault);
      if (label < 0) {
        const std::string what = width > 1 ? "the label" : absl::StrCat("label ", TextOf(IntegerAt(header.type, row)));
        return BadBytes(reader.name(), reader.ByteOf((first + i) * width),
                        absl::StrCat(what, " of example ", first + i, fault));
      }
      labels[i] = static_cast<int32_t>(label);
      *largest = std::max(*largest, label);
    }
    if (absl::Status status = file.Append(labels.data(), count); !status.ok()) return status;
  }
  return reader.Finish();
}

absl::Status CopyTargets(ArrayReader& reader, ChecksummedFile& file, TargetLook* look) {
  const Shape& shape = reader.header().shape;
  const int64_t width = shape.size() == 2 ? shape[1] : 1;
  const int64_t total = Elements(shape);
  const int64_t chunk = std::max<int64_t>(kChunk / width, 1) * width;  // Whole rows.
  std::vector<float> numbers(static_cast<size_t>(std::min(total, chunk)));
  FloatReader source(reader);
  for (int64_t first = 0; first < total; first += chunk) {
    const int64_t count = std::min(chunk, total - first);
    if (absl::Status status = source.Read(numbers.data(), count); !status.ok()) return status;
    for (int64_t i = 0; i < count; i += width) {
      int64_t ones = 0;
      int64_t zeros = 0;
      for (int64_t k = i; k < i + width; ++k) {
        ones += numbers[k] == 1 ? 1 : 0;
        zeros += numbers[k] == 0 ? 1 : 0;
        look->whole = look->whole && numbers[k] >= 0 && numbers[k] == std::floor(numbers[k]);
      }
      look->one_hot = look->one_hot && ones == 1 && zeros == width - 1;
    }
    if (absl::Status status = file.Append(numbers.data(), count); !status.ok()) return status;
  }
  return reader.Finish();
}

}  // namespace traind::core
