#include "core/checkpoint/safetensors.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/checksum.h"
#include "core/base/finite.h"
#include "core/checkpoint/safetensors_header.h"

namespace traind::core {
namespace {

static_assert(std::endian::native == std::endian::little,
              "safetensors is little-endian, and so are the machines we run on");

constexpr int64_t kMaxHeader = int64_t{16} << 20;
constexpr size_t kHeaderAlignment = 8;
constexpr char kMetadataKey[] = "__metadata__";

std::string Quoted(const std::string& text) {
  // Bytes that are not UTF-8 become U+FFFD rather than an exception.
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

struct TypeInfo {
  absl::string_view name;
  Safetensors::Type type;
  int64_t size;
};
constexpr TypeInfo kTypes[] = {{"F16", Safetensors::Type::kFloat16, 2}, {"BF16", Safetensors::Type::kBfloat16, 2},
                               {"F32", Safetensors::Type::kFloat32, 4}, {"F64", Safetensors::Type::kFloat64, 8},
                               {"I64", Safetensors::Type::kInteger, 8}, {"I32", Safetensors::Type::kInteger, 4},
                               {"I16", Safetensors::Type::kInteger, 2}, {"I8", Safetensors::Type::kInteger, 1},
                               {"U64", Safetensors::Type::kInteger, 8}, {"U32", Safetensors::Type::kInteger, 4},
                               {"U16", Safetensors::Type::kInteger, 2}, {"U8", Safetensors::Type::kInteger, 1},
                               {"BOOL", Safetensors::Type::kInteger, 1}};

const TypeInfo* FindType(absl::string_view name) {
  for (const TypeInfo& info : kTypes) {
    if (info.name == name) return &info;
  }
  return nullptr;
}

// IEEE 754 half precision.
float FromHalf(uint16_t bits) {
  const int exponent = (bits >> 10) & 31;
  const float fraction = static_cast<float>(bits & 1023);
  float value;
  if (exponent == 0) {
    value = std::ldexp(fraction, -24);
  } else if (exponent == 31) {
    value = fraction == 0 ? INFINITY : NAN;
  } else {
    value = std::ldexp(1024 + fraction, exponent - 25);
  }
  return (bits & 0x8000) ? -value : value;
}

float FromBfloat16(uint16_t bits) { return std::bit_cast<float>(uint32_t{bits} << 16); }
float FromDouble(double value) { return static_cast<float>(value); }

template <class T, class Convert>
void ConvertAll(const char* bytes, absl::Span<float> values, Convert convert) {
  for (float& value : values) {
    T stored;  // The bytes need not be aligned.
    std::memcpy(&stored, bytes, sizeof(T));
    bytes += sizeof(T);
    value = convert(stored);
  }
}

absl::Status Bad(const std::string& path, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(path, ": ", what));
}

}  // namespace

std::vector<TensorSource> SourcesOf(absl::Span<const Tensor> tensors) {
  std::vector<TensorSource> sources;
  for (const Tensor& tensor : tensors) {
    sources.push_back({tensor.name, tensor.shape, [&tensor] { return absl::MakeConstSpan(tensor.values); }});
  }
  return sources;
}

absl::StatusOr<WrittenFile> WriteSafetensors(const std::string& path, absl::Span<const TensorSource> tensors,
                                             const std::map<std::string, std::string>& metadata, bool only_finite) {
  std::string header = "{";
  if (!metadata.empty()) {
    const std::string entries = absl::StrJoin(metadata, ",", [](std::string* out, const auto& entry) {
      absl::StrAppend(out, Quoted(entry.first), ":", Quoted(entry.second));
    });
    absl::StrAppend(&header, "\"", kMetadataKey, "\":{", entries, "}");
  }
  std::set<std::string> names;
  int64_t offset = 0;
  for (const TensorSource& tensor : tensors) {
    const int64_t elements = CheckedElements(tensor.shape);
    if (tensor.name.empty() || tensor.name == kMetadataKey || !names.insert(tensor.name).second || elements < 0) {
      return absl::InvalidArgumentError(absl::StrCat("cannot write a tensor named '", tensor.name, "' of shape ",
                                                     ToString(tensor.shape),
                                                     ": names must be unique, shapes possible"));
    }
    const int64_t end = offset + elements * static_cast<int64_t>(sizeof(float));
    absl::StrAppend(&header, header.size() > 1 ? "," : "", Quoted(tensor.name), ":{\"dtype\":\"F32\",\"shape\":[",
                    absl::StrJoin(tensor.shape, ","), "],\"data_offsets\":[", offset, ",", end, "]}");
    offset = end;
  }
  header.push_back('}');
  header.resize((header.size() + kHeaderAlignment - 1) / kHeaderAlignment * kHeaderAlignment, ' ');

  auto file = OutputFile::Create(path);
  if (!file.ok()) return file.status();
  Crc32 crc;
  auto append = [&](absl::string_view bytes) {
    crc.Update(bytes);
    return file->Append(bytes);
  };
  const uint64_t length = header.size();
  absl::Status status = append({reinterpret_cast<const char*>(&length), sizeof(length)});
  if (status.ok()) status = append(header);
  if (!status.ok()) return status;
  for (const TensorSource& tensor : tensors) {
    const int64_t elements = Elements(tensor.shape);
    int64_t done = 0;
    bool more = true;
    while (more) {
      const absl::Span<const float> values = tensor.values();
      done += static_cast<int64_t>(values.size());
      more = tensor.in_parts && done < elements && !values.empty();
      if (done > elements || (!more && done < elements)) {
        return absl::InvalidArgumentError(
            absl::StrCat("tensor '", tensor.name, "' has ", done, " values, not the shape ", ToString(tensor.shape)));
      }
      if (only_finite && !AllFinite(values.data(), static_cast<int64_t>(values.size()))) {
        return absl::OutOfRangeError(absl::StrCat("the tensor \"", tensor.name, "\" has values that are not finite"));
      }
      status = append({reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)});
      if (!status.ok()) return status;
    }
  }
  if (status = file->Close(); !status.ok()) return status;
  return WrittenFile{.size_bytes = kLengthBytes + static_cast<int64_t>(header.size()) + offset, .crc32 = crc.hex()};
}

absl::StatusOr<Safetensors> Safetensors::Open(const std::string& path) {
  auto mapped = MappedFile::Open(path);
  if (!mapped.ok()) return mapped.status();
  Safetensors file;
  file.file_ = *std::move(mapped);
  const absl::string_view bytes = file.file_.data();
  const int64_t size = file.file_.size();
  if (size < kLengthBytes) return Bad(path, absl::StrCat("byte ", size, ": ends within the header's length"));
  uint64_t length;
  std::memcpy(&length, bytes.data(), sizeof(length));
  if (length > static_cast<uint64_t>(size - kLengthBytes) || length > static_cast<uint64_t>(kMaxHeader)) {
    return Bad(path, absl::StrCat("byte 0: a header of ", length, " bytes; the file has ", size - kLengthBytes,
                                  " more bytes, and at most ", kMaxHeader, " are accepted"));
  }
  auto header = ParseSafetensorsHeader(bytes.substr(kLengthBytes, length));
  if (!header.ok()) return Bad(path, header.status().message());
  file.metadata_ = std::move(header->metadata);

  const int64_t data = kLengthBytes + static_cast<int64_t>(length);
  for (SafetensorsHeader::Tensor& tensor : header->tensors) {
    auto bad = [&](const std::string& what) { return Bad(path, absl::StrCat("tensor '", tensor.name, "': ", what)); };
    const TypeInfo* info = FindType(tensor.dtype);
    if (info == nullptr) {
      return bad(absl::StrCat("the dtype ", tensor.dtype, " is not supported; use F32, F16, BF16 or F64"));
    }
    const int64_t elements = CheckedElements(tensor.shape);
    if (elements < 0) return bad(absl::StrCat("the shape ", ToString(tensor.shape), " is too large"));
    const int64_t begin = tensor.data_offsets[0];
    const int64_t end = tensor.data_offsets[1];
    if (begin > end || end > size - data) {
      return bad(absl::StrCat("data_offsets [", begin, ", ", end, "] lie outside the ", size - data, " bytes of data"));
    }
    if (end - begin != elements * info->size) {
      return bad(absl::StrCat("data_offsets hold ", end - begin, " bytes, but ", tensor.dtype, " ",
                              ToString(tensor.shape), " needs ", elements * info->size));
    }
    file.entries_.push_back({std::move(tensor.name), std::move(tensor.shape), info->type, std::move(tensor.dtype),
                             data + begin, data + end});
  }
  std::stable_sort(file.entries_.begin(), file.entries_.end(), [](const Entry& a, const Entry& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  int64_t at = data;
  for (const Entry& entry : file.entries_) {
    if (entry.begin != at) {
      return Bad(path, absl::StrCat("tensor '", entry.name, "': begins at byte ", entry.begin,
                                    entry.begin < at ? ", within the tensor before" : ", after a hole", " (byte ", at,
                                    " is next)"));
    }
    at = entry.end;
  }
  if (at != size) return Bad(path, absl::StrCat("byte ", at, ": ", size - at, " bytes belong to no tensor"));
  const auto integers = std::stable_partition(file.entries_.begin(), file.entries_.end(),
                                              [](const Entry& entry) { return entry.type != Type::kInteger; });
  file.integers_.assign(std::make_move_iterator(integers), std::make_move_iterator(file.entries_.end()));
  file.entries_.erase(integers, file.entries_.end());
  for (size_t i = 0; i < file.entries_.size(); ++i) file.index_.emplace(file.entries_[i].name, i);
  return file;
}

const Safetensors::Entry* Safetensors::Find(absl::string_view name) const {
  auto found = index_.find(std::string(name));
  return found == index_.end() ? nullptr : &entries_[found->second];
}

void Safetensors::Read(const Entry& entry, absl::Span<float> values, int64_t first) const {
  if (values.empty()) return;
  const char* bytes = file_.data().data() + entry.begin + (entry.end - entry.begin) / Elements(entry.shape) * first;
  switch (entry.type) {
    case Type::kFloat16:
      return ConvertAll<uint16_t>(bytes, values, FromHalf);
    case Type::kBfloat16:
      return ConvertAll<uint16_t>(bytes, values, FromBfloat16);
    case Type::kFloat64:
      return ConvertAll<double>(bytes, values, FromDouble);
    case Type::kInteger:
      return;  // None of these is an entry that can be had.
    case Type::kFloat32:
      std::memcpy(values.data(), bytes, values.size() * sizeof(float));
  }
}

absl::StatusOr<Tensor> Safetensors::Load(absl::string_view name) const {
  const Entry* entry = Find(name);
  if (entry == nullptr) return absl::NotFoundError(absl::StrCat(path(), ": no tensor named '", name, "'"));
  Tensor tensor = {entry->name, entry->shape, std::vector<float>(static_cast<size_t>(Elements(entry->shape)))};
  Read(*entry, absl::MakeSpan(tensor.values));
  return tensor;
}

std::vector<Tensor> Safetensors::LoadAll() const {
  std::vector<Tensor> tensors;
  for (const Entry& entry : entries_) {
    tensors.push_back({entry.name, entry.shape, std::vector<float>(static_cast<size_t>(Elements(entry.shape)))});
    Read(entry, absl::MakeSpan(tensors.back().values));
  }
  return tensors;
}

}  // namespace traind::core
