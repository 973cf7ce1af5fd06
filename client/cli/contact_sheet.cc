#include "client/cli/contact_sheet.h"

#include <png.h>

#include <algorithm>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"

namespace traind::client {
namespace {

// As PreviewDatasetResponse.png says.
constexpr int64_t kSheetEdge = 12;
constexpr int64_t kSheetGap = 4;
// Of a sheet's pixels: PNG adds little to what does not shrink, and the server's answers are of 3 MiB at most.
constexpr int64_t kSheetBytes = 5 << 19;
constexpr int64_t kSheetRows = 64;  // Of PreviewDatasetRequest.examples, at most.

int64_t SheetWidth(const PictureShape& shape) { return 2 * kSheetEdge + shape.width; }
int64_t SheetHeight(int64_t rows, const PictureShape& shape) {
  return 2 * kSheetEdge + rows * (shape.height + kSheetGap) - kSheetGap;
}

png_uint_32 PixelFormat(const PictureShape& shape) { return shape.channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY; }

absl::StatusOr<std::vector<uint8_t>> DecodeSheet(absl::string_view png, int64_t rows, const PictureShape& shape) {
  png_image image = {};
  image.version = PNG_IMAGE_VERSION;
  const absl::Cleanup release = [&image] { png_image_free(&image); };
  if (png_image_begin_read_from_memory(&image, png.data(), png.size()) == 0) {
    return absl::DataLossError(absl::StrCat("the server's picture cannot be read: ", image.message));
  }
  if (image.width != SheetWidth(shape) || image.height != SheetHeight(rows, shape)) {
    return absl::DataLossError(absl::StrCat("the server's picture has ", image.width, " x ", image.height,
                                            " pixels; that of ", rows, " examples has ", SheetWidth(shape), " x ",
                                            SheetHeight(rows, shape)));
  }
  image.format = PixelFormat(shape);
  std::vector<uint8_t> pixels(PNG_IMAGE_SIZE(image));
  const png_color black = {};  // Under what is transparent, which no sheet has.
  if (png_image_finish_read(&image, &black, pixels.data(), 0, nullptr) == 0) {
    return absl::DataLossError(absl::StrCat("the server's picture cannot be read: ", image.message));
  }
  return pixels;
}

// The picture whose first pixel is at `pixels`, in rows as long as the sheet's.
absl::StatusOr<std::string> EncodePicture(const uint8_t* pixels, const PictureShape& shape) {
  png_image image = {};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(shape.width);
  image.height = static_cast<png_uint_32>(shape.height);
  image.format = PixelFormat(shape);
  std::string file(PNG_IMAGE_PNG_SIZE_MAX(image), '\0');
  png_alloc_size_t size = file.size();
  const auto stride = static_cast<png_int_32>(SheetWidth(shape) * shape.channels);
  if (png_image_write_to_memory(&image, file.data(), &size, 0, pixels, stride, nullptr) == 0) {
    return absl::InternalError(absl::StrCat("cannot encode a picture: ", image.message));
  }
  file.resize(size);
  return file;
}

}  // namespace

absl::StatusOr<PictureShape> PictureShapeOf(const v1::Dataset& dataset) {
  const auto& sizes = dataset.example_shape();
  if (sizes.size() != 3 || (sizes[0] != 1 && sizes[0] != 3) || sizes[1] < 1 || sizes[2] < 1) {
    return absl::InvalidArgumentError("the examples are no images of one or three channels");
  }
  const PictureShape shape{.channels = sizes[0], .height = sizes[1], .width = sizes[2]};
  if (RowsOfSheet(shape) > 0) return shape;
  return absl::InvalidArgumentError("the images are too large for an answer of the server");
}

int64_t RowsOfSheet(const PictureShape& shape) {
  const int64_t line = SheetWidth(shape) * shape.channels;
  return std::max<int64_t>(0, (kSheetBytes / line - SheetHeight(0, shape)) / (shape.height + kSheetGap));
}

absl::StatusOr<std::vector<std::string>> CutSheet(absl::string_view png, int64_t rows, const PictureShape& shape) {
  const absl::StatusOr<std::vector<uint8_t>> pixels = DecodeSheet(png, rows, shape);
  if (!pixels.ok()) return pixels.status();
  std::vector<std::string> pictures;
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t first = (kSheetEdge + row * (shape.height + kSheetGap)) * SheetWidth(shape) + kSheetEdge;
    absl::StatusOr<std::string> picture = EncodePicture(pixels->data() + first * shape.channels, shape);
    if (!picture.ok()) return picture.status();
    pictures.push_back(*std::move(picture));
  }
  return pictures;
}

absl::StatusOr<std::vector<std::string>> FetchPictures(Client& client, const v1::Dataset& dataset,
                                                       const std::string& split, absl::Span<const int64_t> examples) {
  const absl::StatusOr<PictureShape> shape = PictureShapeOf(dataset);
  if (!shape.ok()) return shape.status();
  std::vector<std::string> pictures;
  while (pictures.size() < examples.size()) {
    const auto shown =
        examples.subspan(pictures.size(), static_cast<size_t>(std::min(RowsOfSheet(*shape), kSheetRows)));
    v1::PreviewDatasetRequest request;
    request.set_name(dataset.name());
    request.set_split(split);
    request.set_columns(1);
    request.set_scale(1);
    for (const int64_t example : shown) request.add_examples(static_cast<uint64_t>(example));
    const absl::StatusOr<v1::PreviewDatasetResponse> sheet = client.PreviewDataset(request);
    if (!sheet.ok()) return sheet.status();
    absl::StatusOr<std::vector<std::string>> cut = CutSheet(sheet->png(), static_cast<int64_t>(shown.size()), *shape);
    if (!cut.ok()) return cut.status();
    for (std::string& picture : *cut) pictures.push_back(std::move(picture));
  }
  return pictures;
}

}  // namespace traind::client
