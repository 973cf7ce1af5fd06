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
#include "absl/strings/str_join.h"
#include "core/data/dataset_dir.h"
#include "core/data/image.h"
#include "core/data/image_source.h"
#include "core/data/split_reader.h"

namespace traind::core {
namespace {

constexpr int kReported = 100;         // Bad files that a failed import names.
constexpr size_t kLongestShown = 300;  // Of a file that was left out, in bytes.
constexpr size_t kLongestReason = 200;
constexpr char kSkipField[] = "skip_bad_files";  // Of the request.

// One folder or archive.
struct ImagePart {
  SplitFile file;
  std::unique_ptr<ImageSource> source;
  ImageList list;
  std::vector<bool> left_out = {};  // Of list.images.
};

std::string ShownName(const ImagePart& part, const std::string& file) {
  return absl::StrCat(part.file.input.name, ": ", absl::CHexEscape(file));
}

// A file's own fault; the others are the machine's.
bool IsBadFile(const absl::Status& status) {
  return absl::IsInvalidArgument(status) || absl::IsPermissionDenied(status) || absl::IsNotFound(status);
}

// The image, or why there is none.
absl::StatusOr<Image> Decode(const std::string& name, const absl::StatusOr<std::string>& bytes) {
  if (bytes.ok()) return DecodeImage(name, *bytes);
  if (!absl::IsInvalidArgument(bytes.status())) return bytes.status();
  return absl::InvalidArgumentError(absl::StrCat(name, ": ", bytes.status().message()));
}

// The bad files of a split, as violations; those beyond the first hundred are counted.
class BadFiles {
 public:
  explicit BadFiles(const SplitOrigin& origin) : origin_(origin) {}
  void Add(const ImagePart& part, const std::string& description) {
    if (++count_ <= kReported) part.file.field.Add(description);
  }
  // INVALID_ARGUMENT when there was one.
  absl::Status ToStatus() const {
    if (count_ == 0) return absl::OkStatus();
    if (count_ > kReported) origin_.examples_field().Add(absl::StrCat("and ", count_ - kReported, " bad files more"));
    const auto& all = origin_.root->violations().field_violations();
    const bool said =
        std::any_of(all.begin(), all.end(), [](const auto& other) { return other.field() == kSkipField; });
    if (!said)
      origin_.root->scope().At(kSkipField).Add("leaves out files that cannot be read, and lists them in the dataset");
    return origin_.root->ToStatus();
  }
  bool none() const { return count_ == 0; }

 private:
  const SplitOrigin& origin_;
  int64_t count_ = 0;
};

void AddListed(const std::vector<ImagePart>& parts, BadFiles* bad) {
  for (const ImagePart& part : parts) {
    for (const BadFile& file : part.list.bad) {
      bad->Add(part, absl::StrCat(ShownName(part, file.file), ": ", file.reason));
    }
  }
}

class ImageSplit final : public SplitReader {
 public:
  ImageSplit(SplitHeader header, const SplitOrigin& origin, std::vector<ImagePart> parts, std::vector<int32_t> labels)
      : SplitReader(std::move(header)), origin_(origin), parts_(std::move(parts)), labels_(std::move(labels)) {}

  using SplitReader::Note;
  using SplitReader::Skip;

  absl::Status CopyExamples(ChecksummedFile& out) override {
    BadFiles bad(origin_);
    if (!origin_.skip_bad_files) AddListed(parts_, &bad);
    for (const ImagePart& part : parts_) {
      absl::Status written;
      const absl::Status status = part.source->Visit([&](int64_t index, const absl::StatusOr<std::string>& bytes) {
        if (part.left_out[static_cast<size_t>(index)]) return absl::OkStatus();
        const std::string name = ShownName(part, part.list.images[static_cast<size_t>(index)].file);
        auto image = Decode(name, bytes);
        if (IsBadFile(image.status())) {
          bad.Add(part, std::string(image.status().message()));
          return absl::OkStatus();
        }
        if (!image.ok()) return image.status();
        if (bad.none()) written = Append(name, *image, out);
        return written;
      });
      if (!written.ok()) return written;
      if (!status.ok()) return origin_.Fail(part.file.field, status);
    }
    NoteChanges();
    return bad.ToStatus();
  }

  absl::Status CopyLabels(ChecksummedFile& file, int64_t* largest) override {
    for (const int32_t label : labels_) *largest = std::max<int64_t>(*largest, label);
    return file.Append(labels_.data(), header().count);
  }

  std::vector<ExampleOrigin> origins() const override {
    std::vector<ExampleOrigin> origins;
    for (const ImagePart& part : parts_) origins.push_back({.file = part.file.input});
    return origins;
  }

 private:
  absl::Status Append(const std::string& name, const Image& image, ChecksummedFile& out) {
    if (image.turned) ++turned_;
    if (!image.warning.empty() && ++warned_ == 1) first_warning_ = absl::StrCat(name, " (", image.warning, ")");
    const Shape& shape = header().shape;
    const std::vector<uint8_t> pixels = ResizeAndCrop(image, shape[1], shape[2], shape[0] == 1);
    return out.Append(pixels.data(), static_cast<int64_t>(pixels.size()));
  }

  void NoteChanges() {
    const std::string& split = origin_.source->name();
    if (turned_ > 0) Note(absl::StrCat(split, ": images turned upright by their EXIF orientation: ", turned_));
    if (warned_ > 0) {
      Note(absl::StrCat(split, ": images read although their files are not quite right: ", warned_, ", first ",
                        first_warning_));
    }
    for (const ImagePart& part : parts_) {
      if (part.list.num_hidden == 0) continue;
      std::vector<std::string> names;
      for (const std::string& name : part.list.hidden) names.push_back(absl::CHexEscape(name));
      const bool more = part.list.num_hidden > static_cast<int64_t>(names.size());
      Note(absl::StrCat(split, ": ", part.file.input.name, ": hidden and system files passed over: ",
                        part.list.num_hidden, " (", absl::StrJoin(names, ", "), more ? ", ..." : "", ")"));
    }
  }

  const SplitOrigin& origin_;
  std::vector<ImagePart> parts_;
  const std::vector<int32_t> labels_;
  int64_t turned_ = 0;
  int64_t warned_ = 0;
  std::string first_warning_;
};

absl::StatusOr<std::vector<ImagePart>> ListParts(const SplitOrigin& origin) {
  auto files = SplitFiles(origin);
  if (!files.ok()) return files.status();
  std::vector<ImagePart> parts;
  for (SplitFile& file : *files) {
    auto source = OpenImageSource(file.input);
    if (!source.ok()) return origin.Fail(file.field, source.status());
    auto list = (*source)->List();
    if (!list.ok()) return origin.Fail(file.field, list.status());
    parts.push_back({.file = std::move(file), .source = *std::move(source), .list = *std::move(list)});
    parts.back().left_out.resize(parts.back().list.images.size());
  }
  return parts;
}

v1::SkippedFile Skipped(const SplitOrigin& origin, const ImagePart& part, const std::string& file,
                        absl::string_view reason) {
  v1::SkippedFile skipped;
  skipped.set_split(origin.source->name());
  skipped.set_file(ShownName(part, file).substr(0, kLongestShown));
  skipped.set_reason(std::string(reason.substr(0, kLongestReason)));
  return skipped;
}

// Finds what skip_bad_files leaves out. The images that stay are decoded a second time when they are copied: only then
// is it known how many there are.
absl::Status LeaveOutBadFiles(const SplitOrigin& origin, std::vector<ImagePart>& parts,
                              std::vector<v1::SkippedFile>* skipped) {
  for (ImagePart& part : parts) {
    for (const BadFile& file : part.list.bad) {
      if (!file.may_skip)
        return origin.Fail(part.file.field, absl::StrCat(ShownName(part, file.file), ": ", file.reason));
      skipped->push_back(Skipped(origin, part, file.file, file.reason));
    }
    const absl::Status status = part.source->Visit([&](int64_t index, const absl::StatusOr<std::string>& bytes) {
      const std::string& file = part.list.images[static_cast<size_t>(index)].file;
      const absl::Status decoded = Decode("", bytes).status();
      if (!IsBadFile(decoded)) return decoded;
      part.left_out[static_cast<size_t>(index)] = true;
      absl::string_view reason = decoded.message();
      while (!reason.empty() && (reason[0] == ':' || reason[0] == ',' || reason[0] == ' ')) reason.remove_prefix(1);
      skipped->push_back(Skipped(origin, part, file, reason));
      return absl::OkStatus();
    });
    if (!status.ok()) return origin.Fail(part.file.field, status);
  }
  return absl::OkStatus();
}

// Every class that has files must keep one.
absl::Status CheckClassesKept(const SplitOrigin& origin, const std::vector<ImagePart>& parts) {
  std::set<std::string> all;
  std::set<std::string> kept;
  for (const ImagePart& part : parts) {
    for (size_t i = 0; i < part.list.images.size(); ++i) {
      all.insert(part.list.images[i].class_name);
      if (!part.left_out[i]) kept.insert(part.list.images[i].class_name);
    }
  }
  for (const std::string& name : all) {
    if (kept.contains(name)) continue;
    return origin.Fail(origin.examples_field(),
                       absl::StrCat("none of the files of class '", absl::CHexEscape(name), "' can be read"));
  }
  return absl::OkStatus();
}

// The label of each image that stays; `names` are the classes, in the order of the labels.
absl::StatusOr<std::vector<int32_t>> LabelsOf(const SplitOrigin& origin, const std::vector<ImagePart>& parts,
                                              const std::vector<std::string>& names) {
  absl::flat_hash_map<std::string, int32_t> label_of;
  for (const std::string& name : names) label_of.emplace(name, static_cast<int32_t>(label_of.size()));
  std::vector<int32_t> labels;
  for (const ImagePart& part : parts) {
    for (size_t i = 0; i < part.list.images.size(); ++i) {
      if (part.left_out[i]) continue;
      const ImageName& image = part.list.images[i];
      const auto label = label_of.find(image.class_name);
      if (label == label_of.end()) {
        const absl::Status unknown = UnknownClass(absl::CHexEscape(image.class_name), names);
        return origin.Fail(part.file.field, absl::StrCat(ShownName(part, image.file), ": ", unknown.message()));
      }
      labels.push_back(label->second);
    }
  }
  return labels;
}

}  // namespace

absl::StatusOr<std::unique_ptr<SplitReader>> OpenImageSplit(const SplitOrigin& origin) {
  auto parts = ListParts(origin);
  if (!parts.ok()) return parts.status();
  std::vector<v1::SkippedFile> skipped;
  if (origin.skip_bad_files) {
    absl::Status status = LeaveOutBadFiles(origin, *parts, &skipped);
    if (status.ok()) status = CheckClassesKept(origin, *parts);
    if (!status.ok()) return status;
  }
  std::set<std::string> found;
  for (const ImagePart& part : *parts) {
    for (const ImageName& image : part.list.images) found.insert(image.class_name);
  }
  std::vector<std::string> names = origin.class_names;
  if (names.empty()) names.assign(found.begin(), found.end());
  if (static_cast<int64_t>(names.size()) > kMaxClasses) {
    return origin.Fail(origin.examples_field(), absl::StrCat(names.size(), " classes; at most ", kMaxClasses));
  }
  auto labels = LabelsOf(origin, *parts, names);
  if (!labels.ok()) return labels.status();
  if (labels->empty()) {
    BadFiles bad(origin);
    AddListed(*parts, &bad);
    return bad.ToStatus();
  }
  const v1::ImageOptions& options = origin.source->images();
  SplitHeader header{.count = static_cast<int64_t>(labels->size()),
                     .shape = {options.grayscale() ? 1 : 3, options.height(), options.width()},
                     .type = v1::ELEMENT_TYPE_UINT8,
                     .class_names = std::move(names)};
  auto split = std::make_unique<ImageSplit>(std::move(header), origin, *std::move(parts), *std::move(labels));
  for (v1::SkippedFile& file : skipped) split->Skip(std::move(file));
  return split;
}

}  // namespace traind::core
