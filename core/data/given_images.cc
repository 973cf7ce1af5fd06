#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "core/data/given_examples.h"
#include "core/data/image.h"

namespace traind::core {
namespace {

// Something that was done to images: to how many, and to which first.
struct DoneTo {
  int64_t count = 0;
  std::string first = "";
  void Add(const std::string& which) {
    if (++count == 1) first = which;
  }
  void Note(absl::string_view what, std::vector<std::string>& notes) const {
    if (count > 0) notes.push_back(absl::StrCat(what, ": ", count, count == 1 ? " image, " : " images, first ", first));
  }
};

bool IsGray(const Image& image) {
  for (size_t i = 0; i + 2 < image.rgb.size(); i += 3) {
    if (image.rgb[i] != image.rgb[i + 1] || image.rgb[i] != image.rgb[i + 2]) return false;
  }
  return true;
}

// What happened to the images of a call.
struct ImageChanges {
  DoneTo fitted, made_gray, are_gray, turned, warned;

  void Add(const std::string& name, const Image& image, const Shape& stored) {
    if (image.height != stored[1] || image.width != stored[2]) {
      fitted.Add(absl::StrCat(name, " (", image.width, " x ", image.height, ")"));
    }
    const bool gray = IsGray(image);
    if (stored[0] == 1 && !gray) made_gray.Add(name);
    if (stored[0] == 3 && gray) are_gray.Add(name);
    if (image.turned) turned.Add(name);
    if (!image.warning.empty()) warned.Add(absl::StrCat(name, " (", image.warning, ")"));
  }
  std::vector<std::string> Notes(const Shape& stored) const {
    std::vector<std::string> notes;
    fitted.Note(absl::StrCat("resized so that they cover the ", stored[2], " x ", stored[1],
                             " pixels of the training images, and the centre cut out"),
                notes);
    made_gray.Note("colour turned to gray, which the training images are", notes);
    are_gray.Note("gray, given to a model of colour images", notes);
    turned.Note("turned upright by the EXIF orientation", notes);
    warned.Note("read although the file is not quite right", notes);
    return notes;
  }
};

}  // namespace

RawExamples GivenExamples::View() const {
  const int64_t elements = Elements(shape);
  if (!bytes.empty()) {
    return {.count = count, .type = v1::ELEMENT_TYPE_UINT8, .shape = shape, .at = [this, elements](int64_t index) {
              return static_cast<const void*>(bytes.data() + index * elements);
            }};
  }
  return {.count = count, .type = v1::ELEMENT_TYPE_FLOAT32, .shape = shape, .at = [this, elements](int64_t index) {
            return static_cast<const void*>(floats.data() + index * elements);
          }};
}

absl::StatusOr<GivenExamples> ReadImages(const google::protobuf::RepeatedPtrField<v1::ImageFile>& images,
                                         const Shape& stored) {
  if (stored.size() != 3 || (stored[0] != 1 && stored[0] != 3)) {
    return absl::InvalidArgumentError(
        absl::StrCat("images: the model was trained on examples of ", ToString(stored), ", not on images"));
  }
  GivenExamples given{.shape = stored, .count = images.size()};
  if (given.count > kMaxGivenBytes / Elements(stored)) {
    return absl::InvalidArgumentError(absl::StrCat("images: ", given.count, " of ", ToString(stored), "; at most ",
                                                   kMaxGivenBytes / Elements(stored),
                                                   " of them in a call; send several calls"));
  }
  given.bytes.reserve(static_cast<size_t>(given.count * Elements(stored)));
  ImageChanges changes;
  for (const v1::ImageFile& file : images) {
    const std::string name = absl::CHexEscape(file.name());
    auto image = DecodeImage(name, file.content());
    if (!image.ok()) return image.status();
    changes.Add(name, *image, stored);
    const std::vector<uint8_t> pixels = ResizeAndCrop(*image, stored[1], stored[2], stored[0] == 1);
    given.bytes.insert(given.bytes.end(), pixels.begin(), pixels.end());
  }
  given.notes = changes.Notes(stored);
  return given;
}

}  // namespace traind::core
