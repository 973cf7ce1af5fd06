#include "core/data/dataset_dir.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/checksum.h"
#include "core/base/json_message.h"
#include "core/base/sample.h"
#include "core/data/array_reader.h"
#include "core/data/dataset_files.h"
#include "google/protobuf/util/json_util.h"

namespace traind::core {
namespace {

constexpr int64_t kMaxJsonSize = int64_t{64} << 20;  // A million class names.
constexpr int64_t kAlignment = 64;
constexpr int64_t kExamplesPerRange = 1 << 10;       // Of a range.
constexpr size_t kBytesPerReport = size_t{4} << 20;  // Bytes of a checksum: a few milliseconds.

absl::Status Damaged(absl::string_view path, absl::string_view what) {
  return absl::DataLossError(absl::StrCat(path, ": ", what));
}

// Maps an NPY file of ours and checks that it is exactly what the dataset's description says.
absl::Status MapArray(const std::string& path, NumberType type, const Shape& shape, MappedFile* file,
                      const char** data) {
  auto mapped = MappedFile::Open(path);
  if (!mapped.ok()) return Damaged(path, mapped.status().message());
  auto source = OpenFile({.path = path, .name = path});
  if (!source.ok()) return Damaged(path, source.status().message());
  auto header = ReadNpyHeader(**source);
  if (!header.ok()) return absl::DataLossError(header.status().message());
  if (header->type != type || header->shape != shape || header->big_endian || header->fortran_order ||
      header->data_offset % kAlignment != 0) {
    return Damaged(path, absl::StrCat("holds ", ToString(header->type), " ", ToString(header->shape), ", not ",
                                      ToString(type), " ", ToString(shape)));
  }
  const int64_t wanted = header->data_offset + Elements(shape) * SizeOf(type);
  if (mapped->size() != wanted) return Damaged(path, absl::StrCat(mapped->size(), " bytes instead of ", wanted));
  *data = mapped->data().data() + header->data_offset;
  *file = *std::move(mapped);
  return absl::OkStatus();
}

// "datasets/x has no split "y"; it has: train, test".
std::string NoSplit(const v1::Dataset& dataset, absl::string_view name) {
  const auto append = [](std::string* out, const v1::DatasetSplit& split) { absl::StrAppend(out, split.name()); };
  return absl::StrCat(dataset.name(), " has no split \"", name,
                      "\"; it has: ", absl::StrJoin(dataset.splits(), ", ", append));
}

void UpdateInParts(absl::string_view data, const std::function<void()>& progress, Crc32* crc) {
  for (; !data.empty(); data.remove_prefix(std::min(data.size(), kBytesPerReport))) {
    crc->Update(data.substr(0, kBytesPerReport));
    progress();
  }
}

// The sizes in a dataset.json are used in arithmetic: they must be what an import can have written.
bool IsPlausible(const v1::Dataset& dataset) {
  const Shape shape(dataset.example_shape().begin(), dataset.example_shape().end());
  if ((shape.size() != 1 && shape.size() != 3) || CheckedElements(shape, kMaxExampleElements) < 1) return false;
  if (dataset.element_type() != v1::ELEMENT_TYPE_UINT8 && dataset.element_type() != v1::ELEMENT_TYPE_FLOAT32)
    return false;
  const int64_t classes = dataset.num_classes();
  const int64_t width = dataset.target_width();
  if (classes < 0 || classes > kMaxClasses || width < 0 || width > kMaxExampleElements) return false;
  if ((classes == 0) == (width == 0) || dataset.splits().empty()) return false;
  return std::all_of(dataset.splits().begin(), dataset.splits().end(), [](const v1::DatasetSplit& split) {
    return IsSplitName(split.name()) && split.num_examples() >= 1 && split.num_examples() <= kMaxExamples;
  });
}

// Fills in what imports before 0.3 did not write, each time the same.
void CompleteDataset(v1::Dataset& dataset) {
  dataset.set_uid(DerivedUid(
      absl::StrCat(dataset.name(), " ", dataset.create_time().seconds(), " ", dataset.splits(0).checksum())));
  *dataset.mutable_update_time() = dataset.create_time();
}

}  // namespace

std::string DatasetJsonPath(const std::string& dir) { return absl::StrCat(dir, "/dataset.json"); }
std::string ExamplesPath(const std::string& dir, absl::string_view split) {
  return absl::StrCat(dir, "/", split, ".examples.npy");
}
std::string LabelsPath(const std::string& dir, absl::string_view split) {
  return absl::StrCat(dir, "/", split, ".labels.npy");
}

bool IsSplitName(absl::string_view name) {
  return !name.empty() && name.size() <= 32 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

absl::string_view NpyType(v1::ElementType type) { return type == v1::ELEMENT_TYPE_UINT8 ? "|u1" : "<f4"; }

std::string NpyHeader(absl::string_view type, const Shape& shape) {
  std::string text = absl::StrCat("{'descr': '", type, "', 'fortran_order': False, 'shape': (",
                                  absl::StrJoin(shape, ", "), shape.size() == 1 ? ",), }" : "), }");
  constexpr size_t kPrefix = 10;  // Magic string, version, length of what follows.
  const size_t total = (kPrefix + text.size() + 1 + kAlignment - 1) / kAlignment * kAlignment;
  text.append(total - kPrefix - text.size() - 1, ' ');
  text.push_back('\n');
  std::string header("\x93NUMPY\x01\x00", 8);
  header.push_back(static_cast<char>(text.size() & 0xff));
  header.push_back(static_cast<char>(text.size() >> 8));
  return header + text;
}

absl::StatusOr<v1::Dataset> LoadDataset(const std::string& dir) {
  const std::string path = DatasetJsonPath(dir);
  auto json = ReadFile(path, kMaxJsonSize);
  if (!json.ok()) return json.status();
  v1::Dataset dataset;
  if (absl::Status parsed = ParseJson(*json, dataset); !parsed.ok()) return Damaged(path, parsed.message());
  if (!IsPlausible(dataset)) return Damaged(path, "does not describe a dataset");
  if (dataset.uid().empty()) CompleteDataset(dataset);
  return dataset;
}

absl::Status SaveDataset(const v1::Dataset& dataset, const std::string& dir) {
  v1::Dataset record = dataset;
  record.clear_etag();
  std::string json;
  google::protobuf::util::JsonPrintOptions print;
  print.add_whitespace = true;
  print.preserve_proto_field_names = true;
  if (!google::protobuf::util::MessageToJsonString(record, &json, print).ok()) {
    return absl::InvalidArgumentError("names must be valid UTF-8");
  }
  if (static_cast<int64_t>(json.size()) > kMaxJsonSize) {
    return absl::InvalidArgumentError(absl::StrCat("the names of classes, features and files would take ", json.size(),
                                                   " bytes, more than ", kMaxJsonSize, ": shorten them"));
  }
  return AtomicWrite(DatasetJsonPath(dir), json);
}

const v1::DatasetSplit* FindSplit(const v1::Dataset& dataset, absl::string_view name) {
  const auto found = std::find_if(dataset.splits().begin(), dataset.splits().end(),
                                  [&](const v1::DatasetSplit& split) { return split.name() == name; });
  return found == dataset.splits().end() ? nullptr : &*found;
}

const v1::DatasetSplit* RequireSplit(const v1::Dataset& dataset, absl::string_view name, const FieldErrors& field) {
  const v1::DatasetSplit* found = FindSplit(dataset, name);
  if (found == nullptr) {
    field.Add(NoSplit(dataset, name));
  } else if (found->num_examples() == 0) {
    field.Add(absl::StrCat("\"", name, "\" is empty"));
  }
  return found;
}

absl::Span<const int32_t> Split::labels() const {
  if (!has_labels()) return {};
  return {reinterpret_cast<const int32_t*>(labels_data_), static_cast<size_t>(size_)};
}

absl::Span<const float> Split::targets() const {
  if (has_labels()) return {};
  return {reinterpret_cast<const float*>(labels_data_), static_cast<size_t>(size_ * target_width_)};
}

int64_t LimitedTo(uint64_t limit, int64_t examples) {
  return limit > 0 && limit < static_cast<uint64_t>(examples) ? static_cast<int64_t>(limit) : examples;
}

void Split::TakeFirst(uint64_t count) { size_ = LimitedTo(count, size_); }

void Split::Take(const std::vector<uint32_t>& indices, const std::string& called) {
  called_ = called;
  std::vector<uint32_t> places;
  places.reserve(indices.size());
  for (const uint32_t index : indices) places.push_back(static_cast<uint32_t>(PlaceOf(index)));
  if (has_labels()) {
    std::vector<int32_t> left;
    left.reserve(indices.size());
    for (const uint32_t index : indices) left.push_back(labels()[index]);
    own_labels_ = std::move(left);
    labels_data_ = reinterpret_cast<const char*>(own_labels_.data());
  }
  chosen_ = std::move(places);
  size_ = static_cast<int64_t>(indices.size());
}

void Split::TakeSample(uint64_t count) {
  const int64_t wanted = LimitedTo(count, size_);
  if (wanted < size_) Take(SampleOf(size_, wanted, labels()), called_);
}

void Split::Relabel(absl::Span<const int32_t> class_of_label, int64_t num_classes) {
  std::vector<int32_t> classes;
  classes.reserve(static_cast<size_t>(size_));
  for (const int32_t label : labels()) classes.push_back(class_of_label[label]);
  own_labels_ = std::move(classes);
  labels_data_ = reinterpret_cast<const char*>(own_labels_.data());
  num_classes_ = num_classes;
}

std::pair<float, float> Split::Range(const std::function<void()>& progress) const {
  float least = std::numeric_limits<float>::infinity(), largest = -least;
  const auto note = [&, elements = example_elements()](const auto* numbers) {
    const auto [low, high] = std::minmax_element(numbers, numbers + elements);
    least = std::min(least, static_cast<float>(*low));
    largest = std::max(largest, static_cast<float>(*high));
  };
  const bool bytes = element_type_ == v1::ELEMENT_TYPE_UINT8;
  for (int64_t i = 0; i < size_; ++i) {
    if (i % kExamplesPerRange == 0) progress();
    bytes ? note(static_cast<const uint8_t*>(example(i))) : note(static_cast<const float*>(example(i)));
  }
  return {least, largest};
}

absl::Status Split::Verify(const std::function<void()>& progress) const {
  Crc32 crc;
  UpdateInParts(examples_.data(), progress, &crc);
  UpdateInParts(labels_.data(), progress, &crc);
  if (absl::StrCat("crc32:", crc.hex()) == checksum_) return absl::OkStatus();
  return Damaged(name_, absl::StrCat("its files have changed since the import, which recorded the checksum ", checksum_,
                                     "; now it is crc32:", crc.hex(), ". Import the dataset again"));
}

RawExamples AsStored(const Split& split) {
  return {.count = split.size(),
          .type = split.element_type(),
          .shape = split.example_shape(),
          .at = [first = split.examples_data_, bytes = split.example_bytes(),
                 chosen = split.chosen_.empty() ? nullptr : split.chosen_.data()](int64_t index) {
            return first + (chosen == nullptr ? index : int64_t{chosen[index]}) * bytes;
          }};
}

absl::StatusOr<Split> OpenSplit(const std::string& dir, const std::string& name) {
  auto dataset = LoadDataset(dir);
  if (!dataset.ok()) return dataset.status();
  const v1::DatasetSplit* found = FindSplit(*dataset, name);
  if (found == nullptr) return absl::NotFoundError(NoSplit(*dataset, name));
  Split split;
  split.name_ = absl::StrCat(dataset->name(), ", split \"", name, "\"");
  split.split_name_ = split.called_ = name;
  split.checksum_ = found->checksum();
  split.size_ = found->num_examples();
  split.example_shape_.assign(dataset->example_shape().begin(), dataset->example_shape().end());
  split.element_type_ = dataset->element_type();
  split.target_width_ = dataset->target_width();
  split.num_classes_ = dataset->num_classes();

  Shape shape = split.example_shape_;
  shape.insert(shape.begin(), split.size_);
  const NumberType type = split.element_type_ == v1::ELEMENT_TYPE_UINT8 ? NumberType::kUint8 : NumberType::kFloat32;
  absl::Status status = MapArray(ExamplesPath(dir, name), type, shape, &split.examples_, &split.examples_data_);
  if (!status.ok()) return status;
  const Shape label_shape = split.has_labels() ? Shape{split.size_} : Shape{split.size_, split.target_width_};
  status = MapArray(LabelsPath(dir, name), split.has_labels() ? NumberType::kInt32 : NumberType::kFloat32, label_shape,
                    &split.labels_, &split.labels_data_);
  if (!status.ok()) return status;
  // A loss indexes by label: a damaged one must not get that far.
  for (int32_t label : split.labels()) {
    if (label < 0 || label >= split.num_classes_) {
      return Damaged(split.labels_.path(), absl::StrCat("label ", label, " is not in [0, ", split.num_classes_, ")"));
    }
  }
  return split;
}

}  // namespace traind::core
