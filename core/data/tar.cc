// The formats: POSIX.1-2017, pax, "ustar Interchange Format" and "pax Interchange Format"; GNU tar's manual, "Basic Tar
// Format" (long names in entries of type L, sizes in base 256).
#include "core/data/tar.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "core/data/split_reader.h"

namespace traind::core {
namespace {

// Fields of a header block.
struct Field {
  size_t offset, size;
};
constexpr Field kName = {0, 100};
constexpr Field kSize = {124, 12};
constexpr Field kChecksum = {148, 8};
constexpr size_t kType = 156;
constexpr Field kMagic = {257, 6};
constexpr Field kPrefix = {345, 155};

constexpr int64_t kLongestExtension = 1 << 20;
constexpr size_t kLongestName = 4096;
constexpr int64_t kLargestFile = int64_t{1} << 50;

absl::string_view Bytes(absl::string_view block, Field field) { return block.substr(field.offset, field.size); }
// Up to the first NUL.
absl::string_view Text(absl::string_view block, Field field) {
  const absl::string_view bytes = Bytes(block, field);
  return bytes.substr(0, bytes.find('\0'));
}

// Octal digits among blanks; GNU writes large numbers in base 256 and marks them by the first bit.
std::optional<int64_t> Number(absl::string_view bytes) {
  int64_t value = 0;
  if ((static_cast<unsigned char>(bytes[0]) & 0x80) != 0) {
    for (size_t i = 0; i < bytes.size(); ++i) {
      const int64_t digit = static_cast<unsigned char>(bytes[i]) & (i == 0 ? 0x7f : 0xff);
      value = value * 256 + digit;
      if (value > kLargestFile) return std::nullopt;
    }
    return value;
  }
  bytes = bytes.substr(0, bytes.find('\0'));
  bytes = absl::StripAsciiWhitespace(bytes);
  if (bytes.empty()) return std::nullopt;
  for (const char c : bytes) {
    if (c < '0' || c > '7') return std::nullopt;
    value = value * 8 + (c - '0');
  }
  return value <= kLargestFile ? std::optional(value) : std::nullopt;
}

// The sum of all bytes, those of the checksum itself counted as blanks.
int64_t Checksum(absl::string_view block) {
  int64_t sum = 0;
  for (size_t i = 0; i < block.size(); ++i) {
    const bool own = i >= kChecksum.offset && i < kChecksum.offset + kChecksum.size;
    sum += own ? ' ' : static_cast<unsigned char>(block[i]);
  }
  return sum;
}

std::string KindOf(char type) {
  switch (type) {
    case '1':
      return "a hard link";
    case '2':
      return "a symbolic link";
    case '3':
    case '4':
      return "a device";
    case '6':
      return "a FIFO";
    default:
      return absl::StrCat("of type '", absl::CHexEscape(std::string(1, type)), "'");
  }
}

}  // namespace

bool IsTar(absl::string_view block) {
  return block.size() >= kMagic.offset + kMagic.size && absl::StartsWith(Bytes(block, kMagic), "ustar");
}

absl::StatusOr<std::string> SafeName(absl::string_view name) {
  const std::string shown = absl::CHexEscape(name.substr(0, 200));
  if (name.find('\0') != name.npos) return absl::InvalidArgumentError(absl::StrCat("'", shown, "' holds a NUL byte"));
  if (name.size() > kLongestName) {
    return absl::InvalidArgumentError(absl::StrCat("'", shown, "...' is longer than ", kLongestName, " bytes"));
  }
  if (absl::StartsWith(name, "/")) return absl::InvalidArgumentError(absl::StrCat("'", shown, "' is an absolute path"));
  std::vector<absl::string_view> parts;
  for (const absl::string_view part : absl::StrSplit(name, '/')) {
    if (part == "..") return absl::InvalidArgumentError(absl::StrCat("'", shown, "' has '..' in it"));
    if (!part.empty() && part != ".") parts.push_back(part);
  }
  return absl::StrJoin(parts, "/");
}

absl::StatusOr<TarReader> TarReader::Open(const std::string& path) {
  auto source = OpenUnpacked(path);
  if (!source.ok()) return source.status();
  return TarReader(*std::move(source));
}

absl::Status TarReader::ReadBytes(char* buffer, size_t size, absl::string_view what) {
  auto n = source_->Read(buffer, size);
  if (!n.ok()) return n.status();
  position_ += static_cast<int64_t>(*n);
  return *n == size ? absl::OkStatus() : Bad(absl::StrCat("the archive ends in the middle of ", std::string(what)));
}

absl::Status TarReader::Skip() {
  std::array<char, 1 << 14> buffer;
  for (left_ += padding_, padding_ = 0; left_ > 0;) {
    const size_t size = static_cast<size_t>(std::min<int64_t>(left_, buffer.size()));
    if (absl::Status status = ReadBytes(buffer.data(), size, "a file"); !status.ok()) return status;
    left_ -= static_cast<int64_t>(size);
  }
  return absl::OkStatus();
}

// Filling follows the end mark; reading it checks the packing.
absl::Status TarReader::SkipToEnd() {
  std::array<char, 1 << 14> buffer;
  for (;;) {
    auto n = source_->Read(buffer.data(), buffer.size());
    if (!n.ok()) return n.status();
    position_ += static_cast<int64_t>(*n);
    if (*n < buffer.size()) return absl::OkStatus();
  }
}

absl::StatusOr<std::string> TarReader::Content() {
  std::string content(static_cast<size_t>(left_), '\0');
  if (absl::Status status = ReadBytes(content.data(), content.size(), "a file"); !status.ok()) return status;
  left_ = 0;
  return content;
}

absl::StatusOr<std::string> TarReader::Extension(int64_t size) {
  if (size > kLongestExtension) return Bad(absl::StrCat("an extended header of ", size, " bytes"));
  auto content = Content();
  if (!content.ok()) return content;
  if (absl::Status status = Skip(); !status.ok()) return status;
  return content;
}

// Records "<length> <key>=<value>\n"; the length is that of the whole record.
absl::Status TarReader::ReadPax(absl::string_view records) {
  while (!records.empty()) {
    const size_t blank = records.find(' ');
    int64_t length = 0;
    if (blank == records.npos || blank > 10 || !absl::SimpleAtoi(records.substr(0, blank), &length) ||
        length <= static_cast<int64_t>(blank) + 1 || length > static_cast<int64_t>(records.size()) ||
        records[static_cast<size_t>(length) - 1] != '\n') {
      return Bad("the extended header before here is damaged");
    }
    const absl::string_view record = records.substr(blank + 1, static_cast<size_t>(length) - blank - 2);
    records.remove_prefix(static_cast<size_t>(length));
    const size_t equals = record.find('=');
    if (equals == record.npos) return Bad("the extended header before here is damaged");
    const absl::string_view value = record.substr(equals + 1);
    if (record.substr(0, equals) == "path") long_name_ = std::string(value);
    if (record.substr(0, equals) == "size") {
      int64_t size = -1;
      if (!absl::SimpleAtoi(value, &size) || size < 0 || size > kLargestFile)
        return Bad("a file of a size that cannot be");
      long_size_ = size;
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<TarEntry>> TarReader::Next() {
  for (;;) {
    if (absl::Status status = Skip(); !status.ok()) return status;
    std::array<char, kTarBlock> bytes;
    const int64_t start = position_;
    if (absl::Status status = ReadBytes(bytes.data(), bytes.size(), "a header, without an end mark"); !status.ok()) {
      return status;
    }
    const absl::string_view block(bytes.data(), bytes.size());
    if (block.find_first_not_of('\0') == block.npos) {
      if (absl::Status status = SkipToEnd(); !status.ok()) return status;
      return std::nullopt;
    }
    const auto bad = [&](absl::string_view what) { return BadBytes(name(), start, what); };
    if (!IsTar(block)) return bad("this is no header of a tar archive");
    if (Number(Bytes(block, kChecksum)) != Checksum(block)) return bad("the checksum of the header is wrong");
    std::optional<int64_t> size = Number(Bytes(block, kSize));
    if (!size.has_value()) return bad("a file of a size that cannot be");
    const char type = block[kType];
    const bool extension = type == 'x' || type == 'g' || type == 'L';
    if (!extension && long_size_.has_value()) size = long_size_;
    left_ = type == '5' ? 0 : *size;
    padding_ =
        (static_cast<int64_t>(kTarBlock) - left_ % static_cast<int64_t>(kTarBlock)) % static_cast<int64_t>(kTarBlock);
    if (extension) {
      auto content = Extension(*size);
      if (!content.ok()) return content.status();
      if (type == 'L') long_name_ = content->substr(0, content->find('\0'));
      absl::Status status = type == 'x' ? ReadPax(*content) : absl::OkStatus();
      if (!status.ok()) return status;
      continue;
    }
    std::string full(Text(block, kName));
    const absl::string_view prefix =
        Bytes(block, kMagic) == absl::string_view("ustar\0", 6) ? Text(block, kPrefix) : "";
    if (!prefix.empty()) full = absl::StrCat(prefix, "/", full);
    if (long_name_.has_value()) full = *std::move(long_name_);
    long_name_.reset();
    long_size_.reset();
    auto safe = SafeName(full);
    if (!safe.ok()) return bad(safe.status().message());
    const bool file = type == '0' || type == '\0' || type == '7';
    if (!file && type != '5') {
      return bad(
          absl::StrCat("'", absl::CHexEscape(*safe), "' is ", KindOf(type), "; only files and folders are read"));
    }
    return TarEntry{.name = *std::move(safe), .folder = !file, .size = left_};
  }
}

}  // namespace traind::core
