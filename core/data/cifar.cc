// The formats CIFAR10 and CIFAR100, binary version: records of one label (CIFAR-100: a coarse and a fine one) and
// 3 x 32 x 32 bytes, channels first, with nothing around them (Krizhevsky, "The CIFAR-10 and CIFAR-100 datasets").
#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/enum_name.h"
#include "core/data/dataset_dir.h"
#include "core/data/split_reader.h"

namespace traind::core {
namespace {

constexpr int64_t kSide = 32;
constexpr size_t kPixels = 3 * kSide * kSide;
constexpr size_t kRecords = 256;  // Read at a time.

constexpr std::array<std::string_view, 10> kCifar10 = {"airplane", "automobile", "bird",  "cat",  "deer",
                                                       "dog",      "frog",       "horse", "ship", "truck"};
constexpr std::array<std::string_view, 100> kCifar100 = {
    "apple",      "aquarium_fish", "baby",         "bear",       "beaver",      "bed",         "bee",
    "beetle",     "bicycle",       "bottle",       "bowl",       "boy",         "bridge",      "bus",
    "butterfly",  "camel",         "can",          "castle",     "caterpillar", "cattle",      "chair",
    "chimpanzee", "clock",         "cloud",        "cockroach",  "couch",       "crab",        "crocodile",
    "cup",        "dinosaur",      "dolphin",      "elephant",   "flatfish",    "forest",      "fox",
    "girl",       "hamster",       "house",        "kangaroo",   "keyboard",    "lamp",        "lawn_mower",
    "leopard",    "lion",          "lizard",       "lobster",    "man",         "maple_tree",  "motorcycle",
    "mountain",   "mouse",         "mushroom",     "oak_tree",   "orange",      "orchid",      "otter",
    "palm_tree",  "pear",          "pickup_truck", "pine_tree",  "plain",       "plate",       "poppy",
    "porcupine",  "possum",        "rabbit",       "raccoon",    "ray",         "road",        "rocket",
    "rose",       "sea",           "seal",         "shark",      "shrew",       "skunk",       "skyscraper",
    "snail",      "snake",         "spider",       "squirrel",   "streetcar",   "sunflower",   "sweet_pepper",
    "table",      "tank",          "telephone",    "television", "tiger",       "tractor",     "train",
    "trout",      "tulip",         "turtle",       "wardrobe",   "whale",       "willow_tree", "wolf",
    "woman",      "worm"};
static_assert(!kCifar100.back().empty());

class CifarSplit final : public SplitReader {
 public:
  CifarSplit(SplitHeader header, const SplitOrigin& origin, std::vector<SplitFile> files, std::vector<int32_t> labels,
             size_t label_bytes)
      : SplitReader(std::move(header)),
        origin_(origin),
        files_(std::move(files)),
        labels_(std::move(labels)),
        record_(label_bytes + kPixels) {}

  absl::Status CopyExamples(ChecksummedFile& out) override {
    std::vector<char> bytes(record_ * kRecords);
    size_t left = labels_.size();
    for (const SplitFile& file : files_) {
      auto source = OpenUnpacked(file.input);
      if (!source.ok()) return origin_.Fail(file.field, source.status());
      for (;;) {
        auto size = (*source)->Read(bytes.data(), bytes.size());
        if (!size.ok()) return origin_.Fail(file.field, size.status());
        if (*size == 0) break;
        const size_t count = *size / record_;
        if (*size % record_ != 0 || count > left) return origin_.Fail(file.field, Changed(file.input.name));
        left -= count;
        for (size_t i = 0; i < count; ++i) {
          absl::Status status = out.Append({bytes.data() + (i + 1) * record_ - kPixels, kPixels});
          if (!status.ok()) return status;
        }
      }
    }
    return left == 0 ? absl::OkStatus() : origin_.Fail(files_.back().field, Changed(files_.back().input.name));
  }

  absl::Status CopyLabels(ChecksummedFile& file, int64_t* largest) override {
    for (const int32_t label : labels_) *largest = std::max<int64_t>(*largest, label);
    return file.Append(labels_.data(), header().count);
  }

  std::vector<ExampleOrigin> origins() const override {
    std::vector<ExampleOrigin> origins;
    for (const SplitFile& file : files_) origins.push_back({.file = file.input});
    return origins;
  }

 private:
  static std::string Changed(const std::string& name) { return absl::StrCat(name, ": changed while it was read"); }

  const SplitOrigin& origin_;
  const std::vector<SplitFile> files_;
  const std::vector<int32_t> labels_;
  const size_t record_;
};

// Checks a file and appends its labels, the last byte before each image.
absl::Status ReadLabels(const InputFile& file, size_t label_bytes, int classes, std::vector<int32_t>* labels) {
  auto source = OpenUnpacked(file);
  if (!source.ok()) return source.status();
  const size_t record = label_bytes + kPixels;
  std::vector<char> bytes(record * kRecords);
  int64_t done = 0;  // Examples of this file.
  for (;;) {
    auto size = (*source)->Read(bytes.data(), bytes.size());
    if (!size.ok()) return size.status();
    const size_t whole = *size / record;
    for (size_t i = 0; i < whole; ++i, ++done) {
      const size_t at = i * record + label_bytes - 1;
      const int label = static_cast<unsigned char>(bytes[at]);
      if (label >= classes) {
        return BadBytes(file.name, done * static_cast<int64_t>(record) + static_cast<int64_t>(label_bytes) - 1,
                        absl::StrCat("label ", label, " of example ", done, " is not in [0, ", classes, ")"));
      }
      labels->push_back(label);
    }
    if (*size % record != 0) {
      return BadBytes(file.name, done * static_cast<int64_t>(record) + static_cast<int64_t>(*size % record),
                      absl::StrCat("ends in the middle of example ", done, "; each has ", record, " bytes"));
    }
    if (static_cast<int64_t>(labels->size()) > kMaxExamples) {
      return absl::InvalidArgumentError(absl::StrCat(file.name, ": more than ", kMaxExamples, " examples"));
    }
    if (*size < bytes.size()) break;
  }
  return done > 0 ? absl::OkStatus() : BadBytes(file.name, 0, "the file is empty");
}

}  // namespace

absl::StatusOr<std::unique_ptr<SplitReader>> OpenCifarSplit(const SplitOrigin& origin) {
  const bool fine = origin.source->format() == v1::FORMAT_CIFAR100;
  const size_t label_bytes = fine ? 2 : 1;
  auto files = SplitFiles(origin);
  if (!files.ok()) return files.status();
  std::vector<std::string> names = origin.class_names;
  const size_t classes = fine ? kCifar100.size() : kCifar10.size();
  if (names.empty() && fine) names.assign(kCifar100.begin(), kCifar100.end());
  if (names.empty()) names.assign(kCifar10.begin(), kCifar10.end());
  if (names.size() != classes) {
    return origin.Fail(
        origin.root->scope().At("class_names"),
        absl::StrCat(names.size(), " names for the ", classes, " classes of ", EnumName(origin.source->format())));
  }
  std::vector<int32_t> labels;
  for (const SplitFile& file : *files) {
    absl::Status status = ReadLabels(file.input, label_bytes, static_cast<int>(classes), &labels);
    if (!status.ok()) return origin.Fail(file.field, status);
  }
  SplitHeader header{.count = static_cast<int64_t>(labels.size()),
                     .shape = {3, kSide, kSide},
                     .type = v1::ELEMENT_TYPE_UINT8,
                     .class_names = std::move(names)};
  return std::make_unique<CifarSplit>(std::move(header), origin, *std::move(files), std::move(labels), label_bytes);
}

}  // namespace traind::core
