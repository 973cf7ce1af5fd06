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

// Bytes stay bytes; every other type becomes float32, whatever numbers it holds: splits are then of one type.
v1::ElementType StoredType(NumberType type) {
  return type == NumberType::kUint8 || type == NumberType::kBool ? v1::ELEMENT_TYPE_UINT8 : v1::ELEMENT_TYPE_FLOAT32;
}

// Puts the channels of [a, b, c] first, by the layout that was asked for or the one that is likelier.
void ArrangeChannels(v1::SplitSource::Layout asked, ExampleLayout* layout) {
  const Shape& shape = layout->shape;
  layout->channels_last = asked == v1::SplitSource::LAYOUT_UNSPECIFIED ? IsChannels(shape[2]) && !IsChannels(shape[0])
                                                                       : asked == v1::SplitSource::LAYOUT_CHANNELS_LAST;
  if (layout->channels_last) layout->shape = {shape[2], shape[0], shape[1]};
}

absl::StatusOr<ExampleLayout> LayoutOf(const ArrayReader& reader, v1::SplitSource::Layout asked) {
  const Shape& shape = reader.header().shape;
  ExampleLayout layout;
  layout.type = StoredType(reader.header().type);
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
  if (layout.shape.size() == 2) layout.shape.insert(layout.shape.begin(), 1);
  if (shape.size() == 4) ArrangeChannels(asked, &layout);
  return layout;
}

// The width of float targets, 0 for labels.
absl::StatusOr<int64_t> TargetWidth(const ArrayReader& reader) {
  const Shape& shape = reader.header().shape;
  const bool is_float = IsFloat(reader.header().type);
  const int64_t width = shape.size() == 2 ? shape[1] : 1;
  if (shape.empty() || shape.size() > 2 || width < 1 || width > (is_float ? kMaxExampleElements : kMaxClasses)) {
    return absl::InvalidArgumentError(
        absl::StrCat(reader.name(), ": ",
                     is_float ? "float targets must have the shape [N] or [N, outputs]"
                              : "integer labels must have the shape [N] or [N, 1], or be one-hot rows [N, classes]",
                     ", not ", ToString(shape)));
  }
  return is_float ? width : 0;
}

// The arrays of an NPZ that a split takes when none is named: those of its own name come first.
std::vector<std::string> Members(const std::string& chosen, const std::string& split,
                                 const std::vector<std::string>& kinds) {
  if (!chosen.empty()) return {chosen};
  std::vector<std::string> members;
  for (const std::string& kind : kinds) members.push_back(absl::StrCat(kind, "_", split));
  for (const std::string& kind : kinds) members.push_back(absl::StrCat(split, "_", kind));
  members.insert(members.end(), kinds.begin(), kinds.end());
  return members;
}

class ArraySplit final : public SplitReader {
 public:
  ArraySplit(const SplitOrigin& origin, const InputFile& file, ArrayReader examples, ArrayReader labels,
             ExampleLayout layout, int64_t target_width)
      : SplitReader({.count = layout.count, .shape = layout.shape, .type = layout.type, .target_width = target_width}),
        origin_(origin),
        file_(file),
        examples_(std::move(examples)),
        labels_(std::move(labels)),
        layout_(std::move(layout)) {
    NoteExamples();
    NoteLabels();
  }

  absl::Status CopyExamples(ChecksummedFile& file) override {
    return origin_.Fail(origin_.examples_field(), core::CopyExamples(examples_, layout_, file));
  }
  absl::Status CopyLabels(ChecksummedFile& file, int64_t* largest) override {
    if (header().target_width == 0) {
      return origin_.Fail(origin_.labels_field(), core::CopyLabels(labels_, file, largest));
    }
    TargetLook look;
    absl::Status status = CopyTargets(labels_, file, &look);
    NoteTargets(look);
    return origin_.Fail(origin_.labels_field(), status);
  }

  std::vector<ExampleOrigin> origins() const override {
    return {{.file = file_,
             .member = examples_.member(),
             .labels_member = origin_.source->has_labels() ? "" : labels_.member()}};
  }

 private:
  void NoteExamples() {
    const ArrayHeader& header = examples_.header();
    const bool guessed = origin_.source->layout() == v1::SplitSource::LAYOUT_UNSPECIFIED && header.shape.size() == 4;
    if (guessed) {
      Note(absl::StrCat(examples_.name(), ": ", ToString(header.shape), " is taken as ",
                        layout_.channels_last ? "[N, height, width, channels]" : "[N, channels, height, width]",
                        "; --layout says otherwise"));
    }
    if (header.type != NumberType::kUint8 && header.type != NumberType::kFloat32) {
      Note(absl::StrCat(examples_.name(), ": ", ToString(header.type), " is stored as ",
                        layout_.type == v1::ELEMENT_TYPE_UINT8 ? "uint8" : "float32",
                        header.type == NumberType::kFloat64 ? ", rounded to 24 bits" : ""));
    }
  }

  void NoteLabels() {
    const Shape& shape = labels_.header().shape;
    if (header().target_width > 0 || shape.size() < 2) return;
    Note(shape[1] == 1 ? absl::StrCat(labels_.name(), ": the labels ", ToString(shape), " are read as [N]")
                       : absl::StrCat(labels_.name(), ": the one-hot rows ", ToString(shape), " are read as labels of ",
                                      shape[1], " classes"));
  }

  void NoteTargets(const TargetLook& look) {
    if (header().target_width > 1 && look.one_hot) {
      Note(absl::StrCat(labels_.name(), ": floats are targets, but every row has a single 1; for class labels save ",
                        "y.argmax(axis=1)"));
    } else if (header().target_width == 1 && look.whole) {
      Note(absl::StrCat(labels_.name(), ": floats are targets, but every one is a whole number; for class labels save ",
                        "y.astype(int)"));
    }
  }

  const SplitOrigin& origin_;
  const InputFile file_;
  ArrayReader examples_;
  ArrayReader labels_;
  const ExampleLayout layout_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<SplitReader>> OpenArraySplit(const SplitOrigin& origin) {
  const v1::SplitSource& source = *origin.source;
  auto file = origin.Resolve(source.examples());
  if (!file.ok()) return origin.Fail(origin.examples_field(), file.status());
  auto examples =
      ArrayReader::Open(*file, Members(source.examples_array(), source.name(), {"x", "X", "images", "examples"}));
  if (!examples.ok()) return origin.Fail(origin.examples_field(), examples.status());

  absl::StatusOr<InputFile> labels_file = *file;
  if (source.has_labels()) {
    labels_file = origin.Resolve(source.labels());
    if (!labels_file.ok()) return origin.Fail(origin.labels_field(), labels_file.status());
  } else if (examples->member().empty()) {
    return origin.Fail(origin.field.At("labels"),
                       std::string("required, unless the examples are in an NPZ that holds the labels too"));
  }
  auto labels =
      ArrayReader::Open(*labels_file, Members(source.labels_array(), source.name(), {"y", "labels", "targets"}));
  if (!labels.ok()) return origin.Fail(origin.labels_field(), labels.status());

  if (source.layout() != v1::SplitSource::LAYOUT_UNSPECIFIED && examples->header().shape.size() < 3) {
    return origin.Fail(origin.field.At("layout"), absl::StrCat("belongs to images, and ", examples->name(),
                                                               " has the shape ", ToString(examples->header().shape)));
  }
  auto layout = LayoutOf(*examples, source.layout());
  if (!layout.ok()) return origin.Fail(origin.examples_field(), layout.status());
  auto width = TargetWidth(*labels);
  if (!width.ok()) return origin.Fail(origin.labels_field(), width.status());
  if (labels->header().shape[0] != layout->count) {
    return origin.Fail(origin.labels_field(), absl::StrCat(labels->name(), ": ", labels->header().shape[0],
                                                           " labels for ", layout->count, " examples"));
  }
  return std::make_unique<ArraySplit>(origin, *file, *std::move(examples), *std::move(labels), *std::move(layout),
                                      *width);
}

}  // namespace traind::core
