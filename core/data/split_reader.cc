#include "core/data/split_reader.h"

#include <algorithm>
#include <array>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/enum_name.h"
#include "core/data/tar.h"

namespace traind::core {
namespace {

// What a violation of a field calls the formats whose files hold the labels, too.
bool HasLabelsInside(v1::Format format) {
  return format == v1::FORMAT_CIFAR10 || format == v1::FORMAT_CIFAR100 || format == v1::FORMAT_IMAGES ||
         format == v1::FORMAT_CSV;
}

// Fields that belong to another format are mistakes.
void CheckOptions(const SplitOrigin& origin, v1::Format format) {
  const v1::SplitSource& source = *origin.source;
  const std::string name = EnumName(format);
  if (HasLabelsInside(format)) {
    if (source.has_labels())
      origin.field.At("labels").Add(absl::StrCat("must be left out: ", name, " has labels inside"));
    if (!source.examples_array().empty()) origin.field.At("examples_array").Add("belongs to an NPZ");
    if (!source.labels_array().empty()) origin.field.At("labels_array").Add("belongs to an NPZ");
  } else if (!source.more_examples().empty()) {
    origin.field.At("more_examples").Add("belongs to CIFAR10, CIFAR100, IMAGES and CSV");
  }
  if (source.has_images() && format != v1::FORMAT_IMAGES) origin.field.At("images").Add("belongs to the format IMAGES");
  if (source.has_csv() && format != v1::FORMAT_CSV) origin.field.At("csv").Add("belongs to the format CSV");
}

// The format of the request, or that of the first file's first bytes.
absl::StatusOr<v1::Format> FormatOf(const SplitOrigin& origin) {
  if (origin.source->format() != v1::FORMAT_UNSPECIFIED) return origin.source->format();
  auto path = (*origin.resolve)(origin.source->examples());
  if (!path.ok()) return origin.Fail(origin.examples_field(), path.status());
  auto source = OpenUnpacked(*path);
  if (!source.ok()) return origin.Fail(origin.examples_field(), source.status());
  std::array<char, kTarBlock> block;
  auto size = (*source)->Read(block.data(), block.size());
  // The reader of arrays reports a damaged gzip.
  return size.ok() && IsTar({block.data(), *size}) ? v1::FORMAT_IMAGES : v1::FORMAT_ARRAYS;
}

}  // namespace

absl::Status SplitOrigin::Fail(const FieldErrors& at, const absl::Status& status) const {
  if (status.ok()) return status;
  if (status.code() != absl::StatusCode::kInvalidArgument) {
    return absl::Status(status.code(), absl::StrCat(at.path(), ": ", status.message()));
  }
  return Fail(at, std::string(status.message()));
}

absl::Status SplitOrigin::Fail(const FieldErrors& at, const std::string& description) const {
  at.Add(description);
  return root->ToStatus();
}

absl::StatusOr<std::vector<SplitFile>> SplitFiles(const SplitOrigin& origin) {
  std::vector<SplitFile> files;
  const auto add = [&](const v1::DataFile& file, const FieldErrors& field) {
    auto path = (*origin.resolve)(file);
    if (!path.ok()) return origin.Fail(field, path.status());
    files.push_back({*std::move(path), field});
    return absl::OkStatus();
  };
  absl::Status status = add(origin.source->examples(), origin.examples_field());
  for (int i = 0; status.ok() && i < origin.source->more_examples_size(); ++i) {
    status = add(origin.source->more_examples(i), origin.field.At("more_examples", i));
  }
  if (!status.ok()) return status;
  return files;
}

absl::StatusOr<std::unique_ptr<ByteSource>> OpenUnpacked(const std::string& path) {
  auto file = OpenFile(path);
  if (!file.ok()) return file;
  std::array<char, 2> magic;
  auto size = (*file)->Read(magic.data(), magic.size());
  if (!size.ok()) return size.status();
  const bool gzip = absl::string_view(magic.data(), *size) == kGzipMagic;
  file = OpenFile(path);
  if (!file.ok() || !gzip) return file;
  return OpenCompressed(*std::move(file), Compression::kGzip);
}

absl::Status UnknownClass(const std::string& name, const std::vector<std::string>& names) {
  constexpr size_t kListed = 20;
  const std::vector<std::string> listed(names.begin(),
                                        names.begin() + static_cast<int64_t>(std::min(kListed, names.size())));
  return absl::InvalidArgumentError(
      absl::StrCat("the class '", name, "' is not known; the classes are: ", absl::StrJoin(listed, ", "),
                   names.size() > kListed ? absl::StrCat(" and ", names.size() - kListed, " more") : ""));
}

absl::StatusOr<std::unique_ptr<SplitReader>> OpenSplitReader(const SplitOrigin& origin) {
  auto format = FormatOf(origin);
  if (!format.ok()) return format.status();
  const int before = origin.field.count();
  CheckOptions(origin, *format);
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
