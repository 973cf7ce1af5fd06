#include "core/data/array_reader.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace traind::core {
namespace {

constexpr absl::string_view kZipMagic("PK\x03\x04", 4);
constexpr absl::string_view kEmptyZipMagic("PK\x05\x06", 4);
constexpr absl::string_view kNpyMagic("\x93NUMPY", 6);

constexpr int64_t kMaxFortranBytes = int64_t{1} << 30;

struct TypeInfo {
  absl::string_view name;
  int64_t size;
};
constexpr std::array<TypeInfo, 12> kTypes = {{{"uint8", 1},
                                              {"int8", 1},
                                              {"uint16", 2},
                                              {"int16", 2},
                                              {"uint32", 4},
                                              {"int32", 4},
                                              {"uint64", 8},
                                              {"int64", 8},
                                              {"float32", 4},
                                              {"float64", 8},
                                              {"float16", 2},
                                              {"bool", 1}}};

// The first bytes of a (possibly compressed) stream.
absl::StatusOr<std::string> Prefix(ByteSource& source) {
  std::string prefix(kNpyMagic.size(), '\0');
  auto n = source.Read(prefix.data(), prefix.size());
  if (!n.ok()) return n.status();
  prefix.resize(*n);
  return prefix;
}

bool IsZip(absl::string_view prefix) {
  return absl::StartsWith(prefix, kZipMagic) || absl::StartsWith(prefix, kEmptyZipMagic);
}

absl::StatusOr<std::unique_ptr<ByteSource>> OpenArray(const InputFile& file, bool gzip) {
  auto source = OpenFile(file);
  if (!source.ok() || !gzip) return source;
  return OpenCompressed(*std::move(source), Compression::kGzip);
}

}  // namespace

absl::string_view ToString(NumberType type) { return kTypes[static_cast<size_t>(type)].name; }
int64_t SizeOf(NumberType type) { return kTypes[static_cast<size_t>(type)].size; }

absl::StatusOr<bool> IsNpz(const InputFile& file) {
  auto source = OpenFile(file);
  if (!source.ok()) return source.status();
  auto prefix = Prefix(**source);
  if (!prefix.ok()) return prefix.status();
  return IsZip(*prefix);
}

absl::Status ReadExactly(ByteSource& source, char* buffer, size_t size, int64_t offset) {
  auto n = source.Read(buffer, size);
  if (!n.ok()) return n.status();
  if (*n < size) {
    return BadBytes(source.name(), offset + static_cast<int64_t>(*n), "ends in the middle of the header");
  }
  return absl::OkStatus();
}

absl::StatusOr<ArrayReader> ArrayReader::Open(const InputFile& file, absl::Span<const std::string> members) {
  auto first = OpenFile(file);
  if (!first.ok()) return first.status();
  auto prefix = Prefix(**first);
  if (!prefix.ok()) return prefix.status();
  if (prefix->empty()) return BadBytes(file.name, 0, "the file is empty");
  const bool zip = IsZip(*prefix);
  const bool gzip = absl::StartsWith(*prefix, kGzipMagic);

  // The stream is opened once to see its first bytes and once more to be read from the start.
  std::string member;
  auto open = [&] { return zip ? OpenNpzMember(file, members, &member) : OpenArray(file, gzip); };
  if (zip || gzip) {
    auto source = open();
    if (!source.ok()) return source.status();
    prefix = Prefix(**source);
    if (!prefix.ok()) return prefix.status();
  }
  auto source = open();
  if (!source.ok()) return source.status();
  absl::StatusOr<ArrayHeader> header;
  if (absl::StartsWith(*prefix, kNpyMagic)) {
    header = ReadNpyHeader(**source);
  } else if (prefix->size() >= 2 && (*prefix)[0] == 0 && (*prefix)[1] == 0) {
    header = ReadIdxHeader(**source);
  } else {
    return BadBytes((*source)->name(), 0, "the first bytes are not those of an IDX, NPY or NPZ file");
  }
  if (!header.ok()) return header.status();

  const int64_t count = CheckedElements(header->shape);
  if (count < 0) {
    return BadBytes((*source)->name(), 0, absl::StrCat("the shape ", ToString(header->shape), " is too large"));
  }
  const int64_t wanted = count * SizeOf(header->type);
  const int64_t found = (*source)->remaining();
  if (found >= 0 && found != wanted) {
    return BadBytes((*source)->name(), header->data_offset + std::min(wanted, found),
                    absl::StrCat("the shape ", ToString(header->shape), " of ", ToString(header->type), " needs ",
                                 wanted, " bytes after the header, but there are ", found));
  }
  return ArrayReader(*std::move(header), *std::move(source), std::move(member));
}

int64_t ArrayReader::FortranIndex(int64_t index) const {
  // The last dimension is the fastest in C order, the first one in Fortran order.
  int64_t stride = Elements(header_.shape);
  int64_t place = 0;
  for (size_t d = header_.shape.size(); d-- > 0;) {
    stride /= header_.shape[d];
    place += index % header_.shape[d] * stride;
    index /= header_.shape[d];
  }
  return place;
}

int64_t ArrayReader::ByteOf(int64_t index) const {
  return header_.data_offset + (header_.fortran_order ? FortranIndex(index) : index) * SizeOf(header_.type);
}

absl::Status ArrayReader::ReadStored(char* bytes, int64_t count) {
  const int64_t width = SizeOf(header_.type);
  auto n = source_->Read(bytes, static_cast<size_t>(count * width));
  if (!n.ok()) return n.status();
  position_ += static_cast<int64_t>(*n);
  if (static_cast<int64_t>(*n) < count * width) {
    return BadBytes(name(), position_,
                    absl::StrCat("the data ends before the array of shape ", ToString(header_.shape), " is complete"));
  }
  const bool machine_is_big = std::endian::native == std::endian::big;
  if (width > 1 && header_.big_endian != machine_is_big) {
    for (int64_t i = 0; i < count; ++i) std::reverse(bytes + i * width, bytes + (i + 1) * width);
  }
  return absl::OkStatus();
}

// Memory is taken as data comes: a header alone may announce anything.
absl::Status ArrayReader::LoadFortran() {
  constexpr int64_t kPiece = 1 << 20;  // Numbers.
  const int64_t width = SizeOf(header_.type);
  const int64_t total = Elements(header_.shape);
  if (total * width > kMaxFortranBytes) {
    return absl::InvalidArgumentError(absl::StrCat(name(), ": ", total * width, " bytes in Fortran order; more than ",
                                                   kMaxFortranBytes,
                                                   " are read in C order only: save numpy.ascontiguousarray(x)"));
  }
  for (int64_t done = 0; done < total;) {
    const int64_t count = std::min(kPiece, total - done);
    fortran_.resize(static_cast<size_t>((done + count) * width));
    if (absl::Status status = ReadStored(fortran_.data() + done * width, count); !status.ok()) return status;
    done += count;
  }
  return absl::OkStatus();
}

absl::Status ArrayReader::Read(void* numbers, int64_t count) {
  char* bytes = static_cast<char*>(numbers);
  if (!header_.fortran_order) return ReadStored(bytes, count);
  if (fortran_.empty()) {
    if (absl::Status status = LoadFortran(); !status.ok()) return status;
  }
  const auto width = static_cast<size_t>(SizeOf(header_.type));
  for (int64_t i = 0; i < count; ++i, ++next_) {
    std::memcpy(bytes + static_cast<size_t>(i) * width,
                fortran_.data() + static_cast<size_t>(FortranIndex(next_)) * width, width);
  }
  return absl::OkStatus();
}

absl::Status ArrayReader::Finish() {
  char extra;
  auto n = source_->Read(&extra, 1);
  if (!n.ok()) return n.status();
  if (*n != 0) {
    return BadBytes(name(), position_, absl::StrCat("bytes follow the array of shape ", ToString(header_.shape)));
  }
  return absl::OkStatus();
}

}  // namespace traind::core
