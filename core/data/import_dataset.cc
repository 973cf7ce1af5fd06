#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "core/base/checksum.h"
#include "core/base/errors.h"
#include "core/data/array_copy.h"
#include "core/data/array_reader.h"
#include "core/data/dataset_dir.h"
#include "core/data/dataset_files.h"
#include "google/protobuf/util/json_util.h"

namespace traind::core {
namespace {

constexpr int kMaxSplits = 16;
constexpr absl::string_view kTemporaryPrefix = ".importing-";

struct SplitInput {
  SplitInput(const v1::SplitSource* split, FieldErrors errors) : source(split), field(std::move(errors)) {}

  const v1::SplitSource* source;
  FieldErrors field;
  std::optional<ArrayReader> examples;
  std::optional<ArrayReader> labels;
  ExampleLayout layout;
  int64_t target_width = 0;  // 0: labels.

  FieldErrors examples_field() const { return field.At("examples"); }
  FieldErrors labels_field() const { return field.At(source->has_labels() ? "labels" : "examples"); }
};

// Bad content becomes a violation of the field, other errors keep their code and get the field's path.
absl::Status AtField(FieldErrors::Root& root, const FieldErrors& field, const absl::Status& status) {
  if (status.ok()) return status;
  if (status.code() != absl::StatusCode::kInvalidArgument) {
    return absl::Status(status.code(), absl::StrCat(field.path(), ": ", status.message()));
  }
  field.Add(std::string(status.message()));
  return root.ToStatus();
}

bool IsChannels(int64_t dimension) { return dimension == 1 || dimension == 3 || dimension == 4; }

absl::StatusOr<ExampleLayout> LayoutOf(const ArrayReader& reader) {
  const Shape& shape = reader.header().shape;
  const NumberType type = reader.header().type;
  ExampleLayout layout;
  if (type == NumberType::kUint8) {
    layout.type = v1::UINT8;
  } else if (IsFloat(type)) {
    layout.type = v1::FLOAT32;
  } else {
    return absl::InvalidArgumentError(
        absl::StrCat(reader.name(), ": examples must be uint8, float32 or float64, not ", ToString(type)));
  }
  if (shape.size() < 2) {
    return absl::InvalidArgumentError(
        absl::StrCat(reader.name(), ": the shape ", ToString(shape),
                     " is not [N, features], [N, height, width] or [N, channels, height, width]"));
  }
  layout.count = shape[0];
  if (layout.count < 1) return absl::InvalidArgumentError(absl::StrCat(reader.name(), ": holds no examples"));
  if (layout.count > kMaxExamples) {
    return absl::InvalidArgumentError(
        absl::StrCat(reader.name(), ": ", layout.count, " examples; at most ", kMaxExamples));
  }
  layout.shape.assign(shape.begin() + 1, shape.end());
  const int64_t elements = CheckedElements(layout.shape, kMaxExampleElements);
  if (elements < 1) {
    return absl::InvalidArgumentError(absl::StrCat(reader.name(), ": an example of shape ", ToString(layout.shape),
                                                   " must have 1 to ", kMaxExampleElements, " numbers"));
  }
  if (layout.shape.size() == 2) {
    layout.shape.insert(layout.shape.begin(), 1);
  } else if (layout.shape.size() == 3 && IsChannels(layout.shape[2]) && !IsChannels(layout.shape[0])) {
    layout.channels_last = true;
    layout.shape = {layout.shape[2], layout.shape[0], layout.shape[1]};
  }
  return layout;
}

// The width of float targets, 0 for labels.
absl::StatusOr<int64_t> TargetWidth(const ArrayReader& reader) {
  const Shape& shape = reader.header().shape;
  if (!IsFloat(reader.header().type)) {
    if (shape.size() == 1) return 0;
    return absl::InvalidArgumentError(
        absl::StrCat(reader.name(), ": integer labels must have the shape [N], not ", ToString(shape)));
  }
  if (shape.size() == 1) return 1;
  if (shape.size() == 2 && shape[1] >= 1 && shape[1] <= kMaxExampleElements) return shape[1];
  return absl::InvalidArgumentError(
      absl::StrCat(reader.name(), ": float targets must have the shape [N] or [N, outputs], not ", ToString(shape)));
}

std::vector<std::string> Members(const std::string& chosen, std::vector<std::string> defaults) {
  return chosen.empty() ? std::move(defaults) : std::vector<std::string>{chosen};
}

// Opens the files of a split and checks their headers. Bad content is added to the split's fields; what it returns is
// any other failure.
absl::Status OpenInput(const ImportOptions& options, FieldErrors::Root& root, SplitInput* input) {
  auto record = [&](const FieldErrors& field, const absl::Status& status) {
    absl::Status result = AtField(root, field, status);
    return result.code() == absl::StatusCode::kInvalidArgument ? absl::OkStatus() : result;
  };
  const v1::SplitSource& source = *input->source;
  auto examples_path = options.resolve(source.examples());
  if (!examples_path.ok()) return record(input->examples_field(), examples_path.status());
  auto examples = ArrayReader::Open(*examples_path, Members(source.examples_array(), {"x", "images", "examples"}));
  if (!examples.ok()) return record(input->examples_field(), examples.status());
  input->examples.emplace(*std::move(examples));

  absl::StatusOr<std::string> labels_path = *examples_path;
  if (source.has_labels()) {
    labels_path = options.resolve(source.labels());
    if (!labels_path.ok()) return record(input->labels_field(), labels_path.status());
  } else {
    auto npz = IsNpz(*examples_path);
    if (!npz.ok()) return record(input->examples_field(), npz.status());
    if (!*npz) {
      input->field.At("labels").Add("required, unless examples is an NPZ that holds the labels too");
      return absl::OkStatus();
    }
  }
  auto labels = ArrayReader::Open(*labels_path, Members(source.labels_array(), {"y", "labels", "targets"}));
  if (!labels.ok()) return record(input->labels_field(), labels.status());
  input->labels.emplace(*std::move(labels));

  auto layout = LayoutOf(*input->examples);
  if (!layout.ok()) return record(input->examples_field(), layout.status());
  input->layout = *std::move(layout);
  auto width = TargetWidth(*input->labels);
  if (!width.ok()) return record(input->labels_field(), width.status());
  input->target_width = *width;
  if (input->labels->header().shape[0] != input->layout.count) {
    input->labels_field().Add(absl::StrCat(input->labels->name(), ": ", input->labels->header().shape[0],
                                           " labels for ", input->layout.count, " examples"));
  }
  return absl::OkStatus();
}

// All splits must look alike.
void CheckAlike(const std::vector<SplitInput>& inputs) {
  const SplitInput& first = inputs.front();
  for (const SplitInput& input : inputs) {
    if (input.layout.shape != first.layout.shape) {
      input.examples_field().Add(absl::StrCat("examples of shape ", ToString(input.layout.shape), ", but split '",
                                              first.source->name(), "' has ", ToString(first.layout.shape)));
    }
    if (input.layout.type != first.layout.type) {
      input.examples_field().Add(absl::StrCat("examples of type ", v1::ElementType_Name(input.layout.type),
                                              ", but split '", first.source->name(), "' has ",
                                              v1::ElementType_Name(first.layout.type)));
    }
    if (input.target_width != first.target_width) {
      auto kind = [](int64_t width) {
        return width == 0 ? std::string("integer labels") : absl::StrCat("float targets of width ", width);
      };
      input.labels_field().Add(absl::StrCat(kind(input.target_width), ", but split '", first.source->name(), "' has ",
                                            kind(first.target_width)));
    }
  }
}

absl::Status CopySplit(FieldErrors::Root& root, const std::string& dir, SplitInput& input, v1::Dataset* dataset,
                       int64_t* largest_label) {
  Crc32 crc;
  const ExampleLayout& layout = input.layout;
  Shape shape = layout.shape;
  shape.insert(shape.begin(), layout.count);
  auto examples = ChecksummedFile::Create(ExamplesPath(dir, input.source->name()), &crc);
  if (!examples.ok()) return examples.status();
  absl::Status status = examples->Append(NpyHeader(NpyType(layout.type), shape));
  if (!status.ok()) return status;
  status = CopyExamples(*input.examples, layout, *examples);
  if (!status.ok()) return AtField(root, input.examples_field(), status);
  if (status = examples->Close(); !status.ok()) return status;

  auto labels = ChecksummedFile::Create(LabelsPath(dir, input.source->name()), &crc);
  if (!labels.ok()) return labels.status();
  const bool has_labels = input.target_width == 0;
  const Shape label_shape = has_labels ? Shape{layout.count} : Shape{layout.count, input.target_width};
  if (status = labels->Append(NpyHeader(has_labels ? "<i4" : "<f4", label_shape)); !status.ok()) return status;
  status = has_labels ? CopyLabels(*input.labels, *labels, largest_label) : CopyTargets(*input.labels, *labels);
  if (!status.ok()) return AtField(root, input.labels_field(), status);
  if (status = labels->Close(); !status.ok()) return status;

  v1::DatasetSplit* split = dataset->add_splits();
  split->set_name(input.source->name());
  split->set_num_examples(layout.count);
  split->set_checksum(absl::StrCat("crc32:", crc.hex()));
  dataset->set_size_bytes(dataset->size_bytes() + examples->size() + labels->size());
  return absl::OkStatus();
}

// What can be checked without a file.
void CheckRequest(const v1::ImportDatasetRequest& request, const FieldErrors& errors) {
  if (request.splits().empty()) errors.At("splits").Add("at least one split is required");
  if (request.splits_size() > kMaxSplits) errors.At("splits").Add(absl::StrCat("at most ", kMaxSplits, " splits"));
  std::set<std::string> names;
  for (int i = 0; i < request.splits_size(); ++i) {
    const FieldErrors field = errors.At("splits", i);
    const v1::SplitSource& source = request.splits(i);
    if (!IsSplitName(source.name())) field.At("name").Add("must match [a-z0-9_-]{1,32}");
    if (!names.insert(source.name()).second) field.At("name").Add("used by an earlier split");
    if (source.examples().source_case() == v1::DataFile::SOURCE_NOT_SET) field.At("examples").Add("required");
    if (source.has_labels() && source.labels().source_case() == v1::DataFile::SOURCE_NOT_SET) {
      field.At("labels").Add("needs a path or an upload");
    }
  }
}

absl::Status CheckSize(const std::vector<SplitInput>& inputs, int64_t max_bytes) {
  double bytes = 0;  // Cannot overflow; exact enough for a limit.
  for (const SplitInput& input : inputs) {
    const double per_example =
        static_cast<double>(Elements(input.layout.shape)) * (input.layout.type == v1::UINT8 ? 1.0 : 4.0) +
        4.0 * static_cast<double>(std::max<int64_t>(input.target_width, 1));
    bytes += static_cast<double>(input.layout.count) * per_example;
  }
  if (bytes <= static_cast<double>(max_bytes)) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat("the dataset needs ", bytes, " bytes; at most ", max_bytes));
}

}  // namespace

absl::StatusOr<v1::Dataset> ImportDataset(const v1::ImportDatasetRequest& request, const ImportOptions& options) {
  FieldErrors::Root root;
  CheckRequest(request, root.scope());
  if (!root.ok()) return root.ToStatus();
  std::error_code ignored;
  if (std::filesystem::exists(options.dir, ignored)) {
    return absl::AlreadyExistsError(absl::StrCat("dataset '", request.dataset_id(), "' exists already"));
  }

  std::vector<SplitInput> inputs;
  for (int i = 0; i < request.splits_size(); ++i) {
    inputs.emplace_back(&request.splits(i), root.scope().At("splits", i));
    if (absl::Status status = OpenInput(options, root, &inputs.back()); !status.ok()) return status;
  }
  if (root.ok()) CheckAlike(inputs);
  if (!root.ok()) return root.ToStatus();
  if (absl::Status status = CheckSize(inputs, options.max_bytes); !status.ok()) return status;

  static std::atomic<uint64_t> counter = 0;
  const std::filesystem::path dir(options.dir);
  const std::string temporary = (dir.parent_path() / absl::StrCat(kTemporaryPrefix, dir.filename().string(), "-",
                                                                  getpid(), "-", counter.fetch_add(1)))
                                    .string();
  if (absl::Status status = CreateFolders(temporary); !status.ok()) return status;
  absl::Cleanup remove_temporary = [&] { RemoveAll(temporary).IgnoreError(); };

  v1::Dataset dataset;
  dataset.set_name(absl::StrCat("datasets/", request.dataset_id()));
  dataset.mutable_example_shape()->Add(inputs[0].layout.shape.begin(), inputs[0].layout.shape.end());
  dataset.set_element_type(inputs[0].layout.type);
  dataset.set_target_width(inputs[0].target_width);
  *dataset.mutable_class_names() = request.class_names();
  dataset.mutable_create_time()->set_seconds(absl::ToUnixSeconds(options.create_time));
  int64_t largest_label = -1;
  for (SplitInput& input : inputs) {
    absl::Status status = CopySplit(root, temporary, input, &dataset, &largest_label);
    if (!status.ok()) return status;
  }
  dataset.set_num_classes(largest_label + 1);
  if (!request.class_names().empty() && request.class_names_size() != dataset.num_classes()) {
    root.scope()
        .At("class_names")
        .Add(absl::StrCat(request.class_names_size(), " names for ", dataset.num_classes(), " classes"));
    return root.ToStatus();
  }

  std::string json;
  google::protobuf::util::JsonPrintOptions print;
  print.add_whitespace = true;
  print.preserve_proto_field_names = true;
  if (!google::protobuf::util::MessageToJsonString(dataset, &json, print).ok()) {
    return absl::InvalidArgumentError("class_names: must be valid UTF-8");
  }
  if (absl::Status status = WriteFile(DatasetJsonPath(temporary), json); !status.ok()) return status;
  if (absl::Status status = SyncFolder(temporary); !status.ok()) return status;
  if (absl::Status status = Rename(temporary, options.dir); !status.ok()) {
    // Renamed, but not durably: the caller must not find it after an error.
    if (!std::filesystem::exists(temporary, ignored)) RemoveAll(options.dir).IgnoreError();
    return status;
  }
  return dataset;
}

absl::Status RemoveUnfinishedImports(const std::string& datasets_dir) {
  std::error_code error;
  for (std::filesystem::directory_iterator it(datasets_dir, error), end; !error && it != end; it.increment(error)) {
    if (it->path().filename().string().starts_with(std::string(kTemporaryPrefix))) {
      if (absl::Status status = RemoveAll(it->path().string()); !status.ok()) return status;
    }
  }
  if (error) return ErrnoStatus(error.value(), "list", datasets_dir);
  return absl::OkStatus();
}

}  // namespace traind::core
