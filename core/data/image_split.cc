// The format IMAGES: the class of an image is the folder that it lies in; labels follow the sorted names.
#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "core/data/dataset_dir.h"
#include "core/data/image.h"
#include "core/data/image_source.h"
#include "core/data/split_reader.h"

namespace traind::core {
namespace {

// One folder or archive.
struct ImagePart {
  SplitFile file;
  std::unique_ptr<ImageSource> source;
  std::vector<ImageName> images;
};

class ImageSplit final : public SplitReader {
 public:
  ImageSplit(SplitHeader header, const SplitOrigin& origin, std::vector<ImagePart> parts, std::vector<int32_t> labels)
      : SplitReader(std::move(header)), origin_(origin), parts_(std::move(parts)), labels_(std::move(labels)) {}

  absl::Status CopyExamples(ChecksummedFile& out) override {
    for (ImagePart& part : parts_) {
      absl::Status written;
      absl::Status status = part.source->Visit([&](int64_t index, absl::string_view bytes) {
        if (index >= static_cast<int64_t>(part.images.size())) {
          return absl::InvalidArgumentError(absl::StrCat(part.file.path, ": changed while it was read"));
        }
        const std::string name = absl::StrCat(part.file.path, ": ", absl::CHexEscape(part.images[index].file));
        auto image = DecodeImage(name, bytes);
        if (!image.ok()) return image.status();
        const Shape& shape = header().shape;
        const std::vector<uint8_t> pixels = ResizeAndCrop(*image, shape[1], shape[2], shape[0] == 1);
        written = out.Append(pixels.data(), static_cast<int64_t>(pixels.size()));
        return written;
      });
      if (!written.ok()) return written;
      if (!status.ok()) return origin_.Fail(part.file.field, status);
    }
    return absl::OkStatus();
  }

  absl::Status CopyLabels(ChecksummedFile& file, int64_t* largest) override {
    for (const int32_t label : labels_) *largest = std::max<int64_t>(*largest, label);
    return file.Append(labels_.data(), header().count);
  }

 private:
  const SplitOrigin& origin_;
  std::vector<ImagePart> parts_;
  const std::vector<int32_t> labels_;
};

// False after violations.
bool CheckImageOptions(const SplitOrigin& origin) {
  const v1::ImageOptions& options = origin.source->images();
  const FieldErrors field = origin.field.At("images");
  const int before = field.count();
  if (options.height() < 1) field.At("height").Add("required: the height that the images get, at least 1");
  if (options.width() < 1) field.At("width").Add("required: the width that the images get, at least 1");
  const int64_t channels = options.grayscale() ? 1 : 3;
  if (field.count() == before && int64_t{options.height()} > kMaxExampleElements / channels / options.width()) {
    field.Add(absl::StrCat(options.height(), " x ", options.width(), " pixels; an example may have ",
                           kMaxExampleElements, " numbers"));
  }
  return field.count() == before;
}

}  // namespace

absl::StatusOr<std::unique_ptr<SplitReader>> OpenImageSplit(const SplitOrigin& origin) {
  if (!CheckImageOptions(origin)) return origin.root->ToStatus();
  auto files = SplitFiles(origin);
  if (!files.ok()) return files.status();
  std::vector<ImagePart> parts;
  std::set<std::string> found;
  for (SplitFile& file : *files) {
    auto source = OpenImageSource(file.path);
    if (!source.ok()) return origin.Fail(file.field, source.status());
    auto images = (*source)->List();
    if (!images.ok()) return origin.Fail(file.field, images.status());
    for (const ImageName& image : *images) found.insert(image.class_name);
    parts.push_back({.file = std::move(file), .source = *std::move(source), .images = *std::move(images)});
  }
  std::vector<std::string> names = origin.class_names;
  if (names.empty()) names.assign(found.begin(), found.end());
  if (static_cast<int64_t>(names.size()) > kMaxClasses) {
    return origin.Fail(origin.examples_field(), absl::StrCat(names.size(), " classes; at most ", kMaxClasses));
  }
  absl::flat_hash_map<std::string, int32_t> label_of;
  for (const std::string& name : names) label_of.emplace(name, static_cast<int32_t>(label_of.size()));
  std::vector<int32_t> labels;
  for (const ImagePart& part : parts) {
    for (const ImageName& image : part.images) {
      const auto label = label_of.find(image.class_name);
      if (label == label_of.end()) {
        const absl::Status unknown = UnknownClass(absl::CHexEscape(image.class_name), names);
        return origin.Fail(part.file.field,
                           absl::StrCat(part.file.path, ": ", absl::CHexEscape(image.file), ": ", unknown.message()));
      }
      labels.push_back(label->second);
    }
  }
  const v1::ImageOptions& options = origin.source->images();
  SplitHeader header{.count = static_cast<int64_t>(labels.size()),
                     .shape = {options.grayscale() ? 1 : 3, options.height(), options.width()},
                     .type = v1::ELEMENT_TYPE_UINT8,
                     .class_names = std::move(names)};
  return std::make_unique<ImageSplit>(std::move(header), origin, std::move(parts), std::move(labels));
}

}  // namespace traind::core
