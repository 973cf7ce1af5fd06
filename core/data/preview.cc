#include "core/data/preview.h"

#include <png.h>

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/data/augmentation/augmenter.h"
#include "core/data/dataset_dir.h"
#include "core/data/input_pipeline.h"
#include "core/data/sampler.h"
#include "core/data/viewed_examples.h"
#include "core/kinds/checks.h"
#include "core/tensor/tensor.h"

namespace traind::core {
namespace {

constexpr uint32_t kDefaultRows = 8;
constexpr uint32_t kDefaultColumns = 12;
constexpr uint32_t kMostCells = 64;
constexpr uint32_t kMaxEnlargement = 16;
constexpr int64_t kComfortableSide = 84;               // Of an image on the sheet, in pixels.
constexpr int64_t kMaxSheetPixels = int64_t{1} << 24;  // Of the sheet.
constexpr size_t kMaxBytes = size_t{3} << 20;          // Of the file: an answer of gRPC has at most 4 MiB.
constexpr int64_t kGap = 4;                            // Between two images.
constexpr int64_t kWideGap = 12;                       // Around the sheet, and behind the originals.
constexpr uint8_t kPaper = 0xF2;

// Where the images lie.
struct Sheet {
  Sheet(const v1::PreviewDatasetRequest& request, const Shape& image)
      : channels(image[0]), cell_height(image[1] * request.scale()), cell_width(image[2] * request.scale()) {
    height = 2 * kWideGap + request.rows() * (cell_height + kGap) - kGap;
    width =
        2 * kWideGap + request.columns() * (cell_width + kGap) - kGap + (request.columns() > 1 ? kWideGap - kGap : 0);
  }
  int64_t top(int64_t row) const { return kWideGap + row * (cell_height + kGap); }
  int64_t left(int64_t column) const {
    return kWideGap + column * (cell_width + kGap) + (column > 0 ? kWideGap - kGap : 0);
  }

  int64_t channels;
  int64_t cell_height;
  int64_t cell_width;
  int64_t height = 0;
  int64_t width = 0;
};

absl::StatusOr<std::string> EncodePng(const Sheet& sheet, const std::vector<uint8_t>& pixels) {
  png_image image = {};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(sheet.width);
  image.height = static_cast<png_uint_32>(sheet.height);
  image.format = sheet.channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
  std::string file(PNG_IMAGE_PNG_SIZE_MAX(image), '\0');
  png_alloc_size_t size = file.size();
  if (png_image_write_to_memory(&image, file.data(), &size, 0, pixels.data(), 0, nullptr) == 0) {
    return absl::InternalError(absl::StrCat("cannot encode the sheet: ", image.message));
  }
  file.resize(size);
  if (file.size() > kMaxBytes) {
    return absl::ResourceExhaustedError(absl::StrCat("the sheet takes ", file.size(), " bytes; at most ", kMaxBytes,
                                                     ": ask for fewer rows or columns, or a smaller scale"));
  }
  return file;
}

// What the sheet shows, as the data of a job that trains on it.
v1::DataSpec DataOf(const v1::PreviewDatasetRequest& request) {
  v1::DataSpec data;
  data.set_train_split(request.split());
  data.set_max_train_examples(request.max_examples());
  *data.mutable_augmentation() = request.augmentation();
  return data;
}

// The rows are those examples of the split that the request names.
void ResolveExamples(const v1::DatasetSplit* split, v1::PreviewDatasetRequest* resolved, const FieldErrors& errors) {
  const auto& examples = resolved->examples();
  if (examples.empty()) return;
  if (resolved->rows() != 0) errors.At("rows").Add("must be left out: each of `examples` has a row");
  if (resolved->max_examples() != 0) errors.At("max_examples").Add("does not go with `examples`");
  CheckCount(static_cast<uint64_t>(examples.size()), 1, kMostCells, errors.At("examples"));
  for (int i = 0; split != nullptr && i < examples.size(); ++i) {
    if (examples[i] < static_cast<uint64_t>(split->num_examples())) continue;
    errors.At("examples", i)
        .Add(absl::StrCat("must be below ", split->num_examples(), ": so many examples has ", split->name()));
  }
  resolved->set_rows(static_cast<uint32_t>(examples.size()));
}

// The images of the sheet as floats, column by column.
class Columns {
 public:
  Columns(const v1::PreviewDatasetRequest& request, const InputPipeline& input, Augmenter::Workspace workspace)
      : request_(request),
        augmenter_(input.augmenter()),
        stored_(AsStored(input.split())),
        originals_(stored_, input.first_look()),
        workspace_(std::move(workspace)) {
    order_.assign(request.examples().begin(), request.examples().end());
    // Or the examples that a job with this seed trains on first.
    if (order_.empty()) Sampler({.examples = stored_.count, .batch = 1, .seed = request.seed()}).Order(0, &order_);
  }

  int64_t elements() const { return Elements(augmenter_.output_shape()); }

  std::vector<float> Original() {
    std::vector<float> column(size());
    for (uint32_t row = 0; row < request_.rows(); ++row) Put(originals_.At(order_[row]), row, &column);
    return column;
  }

  // As the minibatch of `step` would be.
  std::vector<float> Augmented(uint64_t step) {
    std::vector<float> column(size());
    Augmenter::Key key{.seed = request_.seed(), .step = step};
    for (; key.example < request_.rows(); ++key.example) {
      ImageView image = ImageAt(stored_, order_[key.example]);
      if (augmenter_.changes_images()) image = augmenter_.Apply(image, key, workspace_);
      Put(image.data, key.example, &column);
    }
    std::vector<float> blended(column.size());
    std::vector<float> targets(request_.rows()), blended_targets(request_.rows());
    const Minibatch minibatch{request_.rows(), elements(), 1, column.data(), targets.data()};
    const Minibatch spare{request_.rows(), elements(), 1, blended.data(), blended_targets.data()};
    return &augmenter_.Blend(minibatch, spare, key, pairing_) == &spare ? blended : column;
  }

 private:
  size_t size() const { return static_cast<size_t>(request_.rows() * elements()); }
  void Put(const void* image, uint32_t row, std::vector<float>* column) const {
    CopyAsFloats(stored_.type, image, elements(), column->data() + row * elements());
  }

  const v1::PreviewDatasetRequest& request_;
  const Augmenter& augmenter_;
  const RawExamples stored_;
  ViewedExamples originals_;
  Augmenter::Workspace workspace_;
  std::vector<uint32_t> order_;
  BatchAugmentation::Pairing pairing_;
};

// Which values are black and white: those of bytes, or the least and the largest of the originals.
struct Range {
  float low = 0;
  float high = 255;
  uint8_t operator()(float x) const { return ToPixel<uint8_t>(high > low ? (x - low) / (high - low) * 255 : 0); }
};

void Paste(const float* image, const Range& range, const Sheet& sheet, int64_t row, int64_t column, int64_t scale,
           std::vector<uint8_t>* pixels) {
  const int64_t height = sheet.cell_height / scale;
  const int64_t width = sheet.cell_width / scale;
  for (int64_t i = 0; i < sheet.cell_height; ++i) {
    uint8_t* to = pixels->data() + ((sheet.top(row) + i) * sheet.width + sheet.left(column)) * sheet.channels;
    for (int64_t j = 0; j < sheet.cell_width; ++j) {
      for (int64_t c = 0; c < sheet.channels; ++c) {
        *to++ = range(image[(c * height + i / scale) * width + j / scale]);
      }
    }
  }
}

}  // namespace

v1::PreviewDatasetRequest ResolvePreview(const v1::PreviewDatasetRequest& request, const v1::Dataset* dataset,
                                         const FieldErrors& errors) {
  v1::PreviewDatasetRequest resolved = request;
  const int before = errors.count();
  if (resolved.split().empty()) resolved.set_split("train");
  const v1::DatasetSplit* split =
      dataset == nullptr ? nullptr : RequireSplit(*dataset, resolved.split(), errors.At("split"));
  ResolveExamples(split, &resolved, errors);
  if (resolved.rows() == 0) resolved.set_rows(kDefaultRows);
  if (resolved.columns() == 0) resolved.set_columns(kDefaultColumns);
  CheckCount(resolved.rows(), 1, kMostCells, errors.At("rows"));
  CheckCount(resolved.columns(), 1, kMostCells, errors.At("columns"));
  if (resolved.scale() != 0) CheckCount(resolved.scale(), 1, kMaxEnlargement, errors.At("scale"));
  if (dataset == nullptr) {
    Augmenter::Create(resolved.mutable_augmentation(), nullptr, errors);
    return resolved;
  }
  const Shape shape(dataset->example_shape().begin(), dataset->example_shape().end());
  if (shape.size() != 3 || (shape[0] != 1 && shape[0] != 3)) {
    errors.At("name").Add(
        absl::StrCat("must be a dataset of images with one or three channels; its examples are ", ToString(shape)));
    return resolved;
  }
  if (split != nullptr) {
    const int64_t examples = LimitedTo(resolved.max_examples(), split->num_examples());
    resolved.set_rows(static_cast<uint32_t>(std::min<int64_t>(resolved.rows(), examples)));
  }
  const Augmenter augmenter = Augmenter::Create(resolved.mutable_augmentation(), &shape, errors);
  if (errors.count() > before) return resolved;
  const Shape& cell = augmenter.output_shape();
  if (resolved.scale() == 0) {
    const int64_t scale = kComfortableSide / std::max(cell[1], cell[2]);
    resolved.set_scale(static_cast<uint32_t>(std::clamp<int64_t>(scale, 1, kMaxEnlargement)));
  }
  const Sheet sheet(resolved, cell);
  if (sheet.height * sheet.width > kMaxSheetPixels) {
    errors.At("rows").Add(absl::StrCat("and columns and scale make a sheet of ", sheet.width, " x ", sheet.height,
                                       " pixels; at most ", kMaxSheetPixels));
  }
  return resolved;
}

absl::StatusOr<v1::PreviewDatasetResponse> PreviewDataset(const v1::PreviewDatasetRequest& request,
                                                          const std::string& dataset_dir) {
  auto input = InputPipeline::Open(dataset_dir, DataOf(request));
  if (!input.ok()) return input.status();
  if (absl::Status status = input->Fit(); !status.ok()) return status;
  const v1::ElementType type = input->split().element_type();
  auto workspace = Augmenter::Workspace::For(input->augmenter(), type);
  if (!workspace.ok()) return workspace.status();

  Columns columns(request, *input, *std::move(workspace));
  const Sheet sheet(request, input->augmented_shape());
  std::vector<uint8_t> pixels(static_cast<size_t>(sheet.height * sheet.width * sheet.channels), kPaper);
  Range range;
  for (uint32_t column = 0; column < request.columns(); ++column) {
    const std::vector<float> images = column == 0 ? columns.Original() : columns.Augmented(column - 1);
    if (column == 0 && type == v1::ELEMENT_TYPE_FLOAT32) {
      const auto [low, high] = std::minmax_element(images.begin(), images.end());
      range = {*low, *high};
    }
    for (uint32_t row = 0; row < request.rows(); ++row) {
      Paste(images.data() + row * columns.elements(), range, sheet, row, column, request.scale(), &pixels);
    }
  }
  auto png = EncodePng(sheet, pixels);
  if (!png.ok()) return png.status();
  v1::PreviewDatasetResponse response;
  response.set_png(*std::move(png));
  response.set_width(static_cast<uint32_t>(sheet.width));
  response.set_height(static_cast<uint32_t>(sheet.height));
  return response;
}

}  // namespace traind::core
