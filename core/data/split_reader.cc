#include "core/data/split_reader.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/base/enum_name.h"
#include "core/base/listing.h"
#include "core/data/archive.h"
#include "core/data/array_reader.h"
#include "core/data/dataset_dir.h"

namespace traind::core {
namespace {

// What a violation of a field calls the formats whose files hold the labels, too.
bool HasLabelsInside(v1::Format format) {
  return format == v1::FORMAT_CIFAR10 || format == v1::FORMAT_CIFAR100 || format == v1::FORMAT_IMAGES ||
         format == v1::FORMAT_CSV;
}

void CheckImages(const v1::ImageOptions& options, const FieldErrors& field) {
  const int before = field.count();
  if (options.height() < 1) field.At("height").Add("required: the height that the images get, at least 1");
  if (options.width() < 1) field.At("width").Add("required: the width that the images get, at least 1");
  const int64_t channels = options.grayscale() ? 1 : 3;
  if (field.count() == before && int64_t{options.height()} > kMaxExampleElements / channels / options.width()) {
    field.Add(absl::StrCat(options.height(), " x ", options.width(), " pixels; an example may have ",
                           kMaxExampleElements, " numbers"));
  }
}

void CheckCsv(const v1::CsvOptions& options, const FieldErrors& field) {
  if (options.label_column().empty() == options.target_columns().empty()) {
    field.At("label_column").Add("either the column of the labels or those of the targets must be named");
  }
  if (!options.feature_columns().empty() && !options.drop_columns().empty()) {
    field.At("drop_columns").Add("not together with a list of the columns to use");
  }
  const std::string& delimiter = options.delimiter();
  if (delimiter.size() > 1 || absl::StrContains("\"\r\n", delimiter.empty() ? "x" : delimiter)) {
    field.At("delimiter").Add("must be one character, for example a comma; no quote and no end of a line");
  }
  if (!v1::CsvOptions::Missing_IsValid(options.missing())) {
    field.At("missing").Add("must be one of ERROR, DROP, MEAN, VALUE");
  }
}

// Fields that belong to another format are mistakes.
void CheckOptions(const v1::SplitSource& source, v1::Format format, const FieldErrors& field) {
  const std::string name = EnumName(format);
  if (HasLabelsInside(format)) {
    if (source.has_labels()) field.At("labels").Add(absl::StrCat("must be left out: ", name, " has labels inside"));
    if (!source.examples_array().empty()) field.At("examples_array").Add("belongs to an NPZ");
    if (!source.labels_array().empty()) field.At("labels_array").Add("belongs to an NPZ");
    if (source.layout() != v1::SplitSource::LAYOUT_UNSPECIFIED) field.At("layout").Add("belongs to arrays");
  } else if (!source.more_examples().empty()) {
    field.At("more_examples").Add("belongs to CIFAR10, CIFAR100, IMAGES and CSV");
  }
  if (source.has_images() && format != v1::FORMAT_IMAGES) field.At("images").Add("belongs to the format IMAGES");
  if (source.has_csv() && format != v1::FORMAT_CSV) field.At("csv").Add("belongs to the format CSV");
  if (format == v1::FORMAT_IMAGES) CheckImages(source.images(), field.At("images"));
  if (format == v1::FORMAT_CSV) CheckCsv(source.csv(), field.At("csv"));
}

// The format of the request, or that of the first file's first bytes.
absl::StatusOr<v1::Format> FormatOf(const SplitOrigin& origin) {
  if (origin.source->format() != v1::FORMAT_UNSPECIFIED) return origin.source->format();
  auto file = origin.Resolve(origin.source->examples());
  if (!file.ok()) return origin.Fail(origin.examples_field(), file.status());
  std::error_code ignored;
  if (!origin.source->has_labels() && std::filesystem::is_directory(file->path, ignored)) return v1::FORMAT_IMAGES;
  auto source = OpenUnpacked(*file);
  if (!source.ok()) return origin.Fail(origin.examples_field(), source.status());
  std::array<char, kArchiveProbe> bytes;
  auto size = (*source)->Read(bytes.data(), bytes.size());
  // The reader of arrays reports a damaged gzip.
  const bool archive = size.ok() && IsArchive({bytes.data(), *size});
  if (!archive) return v1::FORMAT_ARRAYS;
  auto zip = IsNpz(*file);
  if (!zip.ok() || !*zip) return v1::FORMAT_IMAGES;
  return origin.source->has_images() ? v1::FORMAT_IMAGES : v1::FORMAT_ARRAYS;
}

}  // namespace

void CheckSource(const v1::SplitSource& source, const FieldErrors& field) {
  if (source.format() != v1::FORMAT_UNSPECIFIED && v1::Format_IsValid(source.format())) {
    CheckOptions(source, source.format(), field);
  }
  if (!v1::SplitSource::Layout_IsValid(source.layout())) {
    field.At("layout").Add("must be one of CHANNELS_FIRST, CHANNELS_LAST");
  }
}

absl::StatusOr<InputFile> SplitOrigin::Resolve(const v1::DataFile& file) const {
  auto path = (*resolve)(file);
  if (!path.ok()) return path.status();
  std::string name = file.display_name();
  if (name.empty()) name = file.has_path() ? file.path() : file.upload();
  return InputFile{.path = *std::move(path), .name = std::move(name)};
}

absl::Status SplitOrigin::Fail(const FieldErrors& at, const absl::Status& status) const {
  return absl::IsInvalidArgument(status) ? Fail(at, std::string(status.message())) : status;
}

absl::Status SplitOrigin::Fail(const FieldErrors& at, const std::string& description) const {
  at.Add(description);
  return root->ToStatus();
}

absl::StatusOr<std::vector<SplitFile>> SplitFiles(const SplitOrigin& origin) {
  std::vector<SplitFile> files;
  const auto add = [&](const v1::DataFile& file, const FieldErrors& field) {
    auto input = origin.Resolve(file);
    if (!input.ok()) return origin.Fail(field, input.status());
    files.push_back({*std::move(input), field});
    return absl::OkStatus();
  };
  absl::Status status = add(origin.source->examples(), origin.examples_field());
  for (int i = 0; status.ok() && i < origin.source->more_examples_size(); ++i) {
    status = add(origin.source->more_examples(i), origin.field.At("more_examples", i));
  }
  if (!status.ok()) return status;
  return files;
}

absl::StatusOr<std::unique_ptr<ByteSource>> OpenUnpacked(const InputFile& file) {
  auto source = OpenFile(file);
  if (!source.ok()) return source;
  std::array<char, 2> magic;
  auto size = (*source)->Read(magic.data(), magic.size());
  if (!size.ok()) return size.status();
  const bool gzip = absl::string_view(magic.data(), *size) == kGzipMagic;
  source = OpenFile(file);
  if (!source.ok() || !gzip) return source;
  return OpenCompressed(*std::move(source), Compression::kGzip);
}

absl::Status UnknownClass(const std::string& name, const std::vector<std::string>& names) {
  constexpr size_t kListed = 20;
  return absl::InvalidArgumentError(
      absl::StrCat("the class '", name, "' is not known; the classes are: ", Listing(names, kListed)));
}

absl::StatusOr<std::unique_ptr<SplitReader>> OpenSplitReader(const SplitOrigin& origin) {
  auto format = FormatOf(origin);
  if (!format.ok()) return format.status();
  const int before = origin.field.count();
  if (origin.source->format() == v1::FORMAT_UNSPECIFIED) CheckOptions(*origin.source, *format, origin.field);
  if (origin.field.count() != before) return origin.root->ToStatus();
  switch (*format) {
    case v1::FORMAT_CIFAR10:
    case v1::FORMAT_CIFAR100:
      return OpenCifarSplit(origin);
    case v1::FORMAT_IMAGES:
      return OpenImageSplit(origin);
    case v1::FORMAT_CSV:
      return OpenCsvSplit(origin);
    case v1::FORMAT_ARRAYS:
      return OpenArraySplit(origin);
    default:
      return origin.Fail(origin.field.At("format"), "must be one of ARRAYS, CIFAR10, CIFAR100, IMAGES, CSV");
  }
}

}  // namespace traind::core
