#include "client/cli/tensor_file.h"

#include <fcntl.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/file.h"
#include "traind/internal/onnx.pb.h"

namespace traind::client {
namespace {

constexpr size_t kLargestFile = std::numeric_limits<int32_t>::max();
constexpr size_t kLargestNames = 16 << 20;

absl::Status NotSafetensors(const std::string& path, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat(path, " is no safetensors file: ", why));
}

// The number of values, or -1 when the shape is not one of a tensor of this file.
int64_t CountValues(const std::vector<int64_t>& shape) {
  int64_t values = 1;
  for (const int64_t extent : shape) {
    if (extent < 0 || (extent > 0 && values > static_cast<int64_t>(kLargestFile) / extent)) return -1;
    values *= extent;
  }
  return values;
}

// A type of ONNX's floats.
struct FloatType {
  int32_t number;
  const char* dtype;
  size_t size;
};
constexpr FloatType kFloats[] = {{1, "F32", 4}, {10, "F16", 2}, {11, "F64", 8}, {16, "BF16", 2}};

const FloatType* FindFloat(int32_t number) {
  for (const FloatType& type : kFloats) {
    if (type.number == number) return &type;
  }
  return nullptr;
}

template <class Values>
std::string BytesOfValues(const Values& values) {
  return {reinterpret_cast<const char*>(values.data()), static_cast<size_t>(values.size()) * sizeof(*values.data())};
}

// The numbers, wherever the message has them.
std::string NumbersOf(const internal::OnnxTensor& tensor) {
  if (!tensor.raw_data().empty()) return tensor.raw_data();
  if (tensor.float_data_size() > 0) return BytesOfValues(tensor.float_data());
  if (tensor.double_data_size() > 0) return BytesOfValues(tensor.double_data());
  std::vector<uint16_t> halves;
  for (const int32_t bits : tensor.int32_data()) halves.push_back(static_cast<uint16_t>(bits));
  return BytesOfValues(halves);
}

// Of `name` the longest part before a dot that the map has, in the other form.
std::string Translated(const std::map<std::string, std::string>& names, const std::string& name) {
  for (size_t end = name.size(); end != std::string::npos && end > 0; end = name.rfind('.', end - 1)) {
    const auto found = names.find(name.substr(0, end));
    if (found != names.end()) return found->second + name.substr(end);
  }
  return name;
}

absl::Status CheckDistinct(const TensorFile& file) {
  std::set<std::string> names;
  for (const FileTensor& tensor : file.tensors) {
    if (!names.insert(tensor.name).second) {
      return absl::InvalidArgumentError(absl::StrCat("two tensors would be called ", tensor.name));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<TensorFile> ReadSafetensors(const std::string& path) {
  const auto text = ReadText(path, kLargestFile);
  if (!text.ok()) return text.status();
  uint64_t size = 0;
  if (text->size() < sizeof(size)) return NotSafetensors(path, "it is too short");
  std::memcpy(&size, text->data(), sizeof(size));
  if (size > text->size() - sizeof(size)) return NotSafetensors(path, "its header is longer than the file");
  const auto header = nlohmann::ordered_json::parse(text->substr(sizeof(size), size), nullptr, false);
  if (!header.is_object()) return NotSafetensors(path, "its header is no JSON object");
  const absl::string_view data = absl::string_view(*text).substr(sizeof(size) + size);
  TensorFile file;
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__") {
      file.metadata = entry.dump();
      continue;
    }
    if (!entry.is_object() || !entry.value("dtype", nlohmann::ordered_json()).is_string()) {
      return NotSafetensors(path, name + " has no dtype");
    }
    std::vector<uint64_t> offsets;
    FileTensor tensor{.name = name, .dtype = entry["dtype"].get<std::string>(), .shape = {}, .bytes = ""};
    const auto is_number = [](const auto& value) { return value.is_number_unsigned(); };
    for (const char* field : {"shape", "data_offsets"}) {
      if (!entry.contains(field) || !entry[field].is_array() ||
          !std::all_of(entry[field].begin(), entry[field].end(), is_number)) {
        return NotSafetensors(path, absl::StrCat(name, " has no ", field));
      }
    }
    for (const auto& extent : entry["shape"]) tensor.shape.push_back(extent.template get<int64_t>());
    for (const auto& offset : entry["data_offsets"]) offsets.push_back(offset.template get<uint64_t>());
    if (offsets.size() != 2 || offsets[0] > offsets[1] || offsets[1] > data.size()) {
      return NotSafetensors(path, name + " lies outside of it");
    }
    tensor.bytes = std::string(data.substr(offsets[0], offsets[1] - offsets[0]));
    file.tensors.push_back(std::move(tensor));
  }
  return file;
}

absl::StatusOr<TensorFile> ReadOnnx(const std::string& path) {
  const auto text = ReadText(path, kLargestFile);
  if (!text.ok()) return text.status();
  internal::OnnxModel model;
  if (!model.ParseFromString(*text) || !model.has_graph()) {
    return absl::InvalidArgumentError(path + " is no ONNX file");
  }
  const bool own = model.producer_name() == "traind";
  TensorFile file;
  for (const internal::OnnxTensor& tensor : model.graph().initializer()) {
    if (own && (absl::StrContains(tensor.name(), '/') || absl::StartsWith(tensor.name(), "preprocessing."))) continue;
    const FloatType* type = FindFloat(tensor.data_type());
    if (type == nullptr) {
      file.left_out.push_back(absl::StrCat(tensor.name(), " (no floats)"));
      continue;
    }
    if (tensor.data_location() != 0) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": the numbers of ", tensor.name(),
                       " are in another file; save it as one (save_as_external_data=False)"));
    }
    FileTensor taken{.name = tensor.name(),
                     .dtype = type->dtype,
                     .shape = {tensor.dims().begin(), tensor.dims().end()},
                     .bytes = NumbersOf(tensor)};
    const int64_t values = CountValues(taken.shape);
    if (values < 0 || static_cast<uint64_t>(values) * type->size != taken.bytes.size()) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": ", tensor.name(), " has ", taken.bytes.size(), " bytes, which do not fill its shape"));
    }
    file.tensors.push_back(std::move(taken));
  }
  if (file.tensors.empty()) return absl::InvalidArgumentError(path + " has no initializers of floats");
  return file;
}

absl::Status WriteSafetensors(const std::string& path, const TensorFile& file) {
  if (absl::Status status = CheckDistinct(file); !status.ok()) return status;
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!file.metadata.empty()) header["__metadata__"] = nlohmann::ordered_json::parse(file.metadata, nullptr, false);
  uint64_t at = 0;
  for (const FileTensor& tensor : file.tensors) {
    header[tensor.name] = {
        {"dtype", tensor.dtype}, {"shape", tensor.shape}, {"data_offsets", {at, at + tensor.bytes.size()}}};
    at += tensor.bytes.size();
  }
  std::string text = header.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  text.resize((text.size() + 7) / 8 * 8, ' ');
  const uint64_t size = text.size();
  auto out = File::Open(path, O_WRONLY | O_CREAT | O_TRUNC);
  if (!out.ok()) return out.status();
  int64_t offset = 0;
  const auto append = [&](absl::string_view bytes) {
    const absl::Status status = out->WriteAt(offset, bytes);
    offset += static_cast<int64_t>(bytes.size());
    return status;
  };
  absl::Status status = append({reinterpret_cast<const char*>(&size), sizeof(size)});
  if (status.ok()) status = append(text);
  for (const FileTensor& tensor : file.tensors) {
    if (status.ok()) status = append(tensor.bytes);
  }
  return status.ok() ? out->Sync() : status;
}

absl::StatusOr<TensorNames> TensorNames::Read(const std::string& which) {
  TensorNames names;
  if (which == "torch") {
    names.torch_ = true;
    return names;
  }
  const auto text = ReadText(which, kLargestNames);
  if (!text.ok()) return text.status();
  int number = 0;
  for (absl::string_view line : absl::StrSplit(*text, '\n')) {
    ++number;
    line = absl::StripAsciiWhitespace(line.substr(0, line.find('#')));
    if (line.empty()) continue;
    const std::vector<std::string> words = absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
    if (words.size() != 2 || !names.theirs_.emplace(words[0], words[1]).second ||
        !names.ours_.emplace(words[1], words[0]).second) {
      return absl::InvalidArgumentError(
          absl::StrCat(which, ":", number, ": wants two names, ours and theirs, none of them a second time"));
    }
  }
  return names;
}

absl::Status TensorNames::ToTheirs(TensorFile& file) const {
  std::set<std::string> present;
  for (const FileTensor& tensor : file.tensors) present.insert(tensor.name);
  for (FileTensor& tensor : file.tensors) {
    if (!torch_) {
      tensor.name = Translated(theirs_, tensor.name);
    } else if (absl::EndsWith(tensor.name, ".slope")) {
      // Of a layer that is an activation alone it is the layer's weight, else that of the activation behind the layer.
      const std::string layer = tensor.name.substr(0, tensor.name.size() - 6);
      tensor.name = absl::StrCat(layer, present.count(layer + ".weight") > 0 ? ".activation.weight" : ".weight");
    }
  }
  return CheckDistinct(file);
}

absl::Status TensorNames::ToOurs(TensorFile& file) const {
  if (torch_) {
    return absl::InvalidArgumentError(
        "--names torch goes with a download: which weight is a PReLU's slope is not in a file; give lines OURS THEIRS");
  }
  for (FileTensor& tensor : file.tensors) tensor.name = Translated(ours_, tensor.name);
  return CheckDistinct(file);
}

}  // namespace traind::client
