// The format ARRAYS: examples and labels as arrays of numbers in files of their own, or in one NPZ.
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/data/array_copy.h"
#include "core/data/array_reader.h"
#include "core/data/dataset_dir.h"
#include "core/data/split_reader.h"

namespace traind::core {
namespace {

bool IsChannels(int64_t dimension) { return dimension == 1 || dimension == 3 || dimension == 4; }

absl::StatusOr<ExampleLayout> LayoutOf(const ArrayReader& reader) {
  const Shape& shape = reader.header().shape;
  const NumberType type = reader.header().type;
  ExampleLayout layout;
  if (type == NumberType::kUint8) {
    layout.type = v1::ELEMENT_TYPE_UINT8;
  } else if (IsFloat(type)) {
    layout.type = v1::ELEMENT_TYPE_FLOAT32;
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

class ArraySplit final : public SplitReader {
 public:
  ArraySplit(const SplitOrigin& origin, ArrayReader examples, ArrayReader labels, ExampleLayout layout,
             int64_t target_width)
      : SplitReader({.count = layout.count, .shape = layout.shape, .type = layout.type, .target_width = target_width}),
        origin_(origin),
        examples_(std::move(examples)),
        labels_(std::move(labels)),
        layout_(std::move(layout)) {}

  absl::Status CopyExamples(ChecksummedFile& file) override {
    return origin_.Fail(origin_.examples_field(), core::CopyExamples(examples_, layout_, file));
  }
  absl::Status CopyLabels(ChecksummedFile& file, int64_t* largest) override {
    const absl::Status status =
        header().target_width == 0 ? core::CopyLabels(labels_, file, largest) : CopyTargets(labels_, file);
    return origin_.Fail(origin_.labels_field(), status);
  }

 private:
  const SplitOrigin& origin_;
  ArrayReader examples_;
  ArrayReader labels_;
  const ExampleLayout layout_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<SplitReader>> OpenArraySplit(const SplitOrigin& origin) {
  const v1::SplitSource& source = *origin.source;
  auto examples_path = (*origin.resolve)(source.examples());
  if (!examples_path.ok()) return origin.Fail(origin.examples_field(), examples_path.status());
  auto examples = ArrayReader::Open(*examples_path, Members(source.examples_array(), {"x", "images", "examples"}));
  if (!examples.ok()) return origin.Fail(origin.examples_field(), examples.status());

  absl::StatusOr<std::string> labels_path = *examples_path;
  if (source.has_labels()) {
    labels_path = (*origin.resolve)(source.labels());
    if (!labels_path.ok()) return origin.Fail(origin.labels_field(), labels_path.status());
  } else {
    auto npz = IsNpz(*examples_path);
    if (!npz.ok()) return origin.Fail(origin.examples_field(), npz.status());
    if (!*npz) {
      return origin.Fail(origin.field.At("labels"),
                         std::string("required, unless examples is an NPZ that holds the labels too"));
    }
  }
  auto labels = ArrayReader::Open(*labels_path, Members(source.labels_array(), {"y", "labels", "targets"}));
  if (!labels.ok()) return origin.Fail(origin.labels_field(), labels.status());

  auto layout = LayoutOf(*examples);
  if (!layout.ok()) return origin.Fail(origin.examples_field(), layout.status());
  auto width = TargetWidth(*labels);
  if (!width.ok()) return origin.Fail(origin.labels_field(), width.status());
  if (labels->header().shape[0] != layout->count) {
    return origin.Fail(origin.labels_field(), absl::StrCat(labels->name(), ": ", labels->header().shape[0],
                                                           " labels for ", layout->count, " examples"));
  }
  return std::make_unique<ArraySplit>(origin, *std::move(examples), *std::move(labels), *std::move(layout), *width);
}

}  // namespace traind::core
