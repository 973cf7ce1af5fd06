#include "client/packed_folder.h"

#include <fcntl.h>
#include <zlib.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <numeric>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/file.h"

namespace traind::client {
namespace {

namespace fs = std::filesystem;

constexpr size_t kBlock = 512;
constexpr size_t kLongestPlainName = 100;
constexpr int64_t kLargestFile = (int64_t{1} << 33) - 1;  // Eleven octal digits.
constexpr int kDeepest = 16;

int64_t Padded(int64_t size) { return (size + int64_t{kBlock} - 1) / int64_t{kBlock} * int64_t{kBlock}; }

std::string PlainHeader(const std::string& name, int64_t size, char type) {
  std::string header(kBlock, '\0');
  const auto put = [&](size_t at, const std::string& text) { header.replace(at, text.size(), text); };
  put(0, name.substr(0, kLongestPlainName));
  put(100, type == '5' ? "0000755" : "0000644");
  for (const size_t owner : {108, 116}) put(owner, "0000000");
  put(124, absl::StrFormat("%011o", size));
  put(136, "00000000000");  // Changed in 1970.
  put(148, "        ");     // The checksum, as it counts itself.
  header[156] = type;
  put(257, std::string("ustar\00000", 8));
  const int sum = std::accumulate(header.begin(), header.end(), 0,
                                  [](int total, char c) { return total + static_cast<unsigned char>(c); });
  put(148, absl::StrFormat("%06o", sum) + std::string("\0 ", 2));
  return header;
}

// The header of a member; before it, when its name is long, an extended header with the name.
std::string HeaderOf(const std::string& name, int64_t size) {
  const char type = absl::EndsWith(name, "/") ? '5' : '0';
  if (name.size() <= kLongestPlainName) return PlainHeader(name, size, type);
  // "<length> path=<name>\n", where the length counts its own digits.
  const std::string rest = absl::StrCat(" path=", name, "\n");
  size_t length = rest.size() + 1;
  while (absl::StrCat(length).size() + rest.size() != length) ++length;
  std::string record = absl::StrCat(length, rest);
  record.resize(static_cast<size_t>(Padded(static_cast<int64_t>(record.size()))), '\0');
  return PlainHeader("@pax", static_cast<int64_t>(length), 'x') + record + PlainHeader(name, size, type);
}

}  // namespace

absl::StatusOr<PackedFolder> PackedFolder::Open(const std::string& path) {
  PackedFolder folder(path);
  if (absl::Status status = folder.List("", 0); !status.ok()) return status;
  if (folder.num_files_ == 0) return absl::InvalidArgumentError(absl::StrCat(path, ": the folder holds no files"));
  folder.size_ += int64_t{2 * kBlock};  // The end mark.
  return folder;
}

absl::Status PackedFolder::Add(const std::string& name, int64_t size) {
  if (size > kLargestFile)
    return absl::InvalidArgumentError(absl::StrCat(path_, "/", name, ": ", size, " bytes are too many"));
  members_.push_back({.name = name, .size = size, .begin = size_});
  size_ += static_cast<int64_t>(HeaderOf(name, size).size()) + Padded(size);
  return absl::OkStatus();
}

absl::Status PackedFolder::List(const std::string& below, int depth) {
  const auto bad = [&](const std::string& name, absl::string_view what) {
    return absl::InvalidArgumentError(absl::StrCat(path_, "/", name, ": ", what));
  };
  if (depth > kDeepest) return bad(below, "too many folders in one another");
  std::error_code error;
  std::vector<std::string> names;
  for (fs::directory_iterator it(fs::path(path_) / below, error), end; !error && it != end; it.increment(error)) {
    names.push_back(it->path().filename().string());
  }
  if (error) return absl::ErrnoToStatus(error.value(), absl::StrCat("cannot list ", path_, "/", below));
  std::sort(names.begin(), names.end());
  for (const std::string& entry : names) {
    if (absl::StartsWith(entry, ".")) {
      ++num_hidden_;
      continue;
    }
    const std::string name = below + entry;
    const fs::path path = fs::path(path_) / name;
    const fs::file_status status = fs::status(path, error);
    absl::Status added;
    if (fs::is_regular_file(status)) {
      ++num_files_;
      const auto size = static_cast<int64_t>(fs::file_size(path, error));
      added =
          error ? absl::ErrnoToStatus(error.value(), absl::StrCat("cannot look at ", path.string())) : Add(name, size);
    } else if (!fs::is_directory(status)) {
      added = bad(name, "neither a file nor a folder");
    } else if (fs::is_symlink(path, error)) {
      added = bad(name, "a link to a folder; only links to files are followed");
    } else {
      added = Add(name + "/", 0);
      if (added.ok()) added = List(name + "/", depth + 1);
    }
    if (!added.ok()) return added;
  }
  return absl::OkStatus();
}

absl::Status PackedFolder::ReadAt(int64_t offset, size_t size, std::string* bytes) const {
  bytes->clear();
  const int64_t end = std::min(size_, offset + static_cast<int64_t>(size));
  auto member = std::upper_bound(members_.begin(), members_.end(), offset,
                                 [](int64_t at, const Member& other) { return at < other.begin; });
  if (member != members_.begin()) --member;
  for (; member != members_.end() && offset < end && member->begin < end; ++member) {
    const std::string header = HeaderOf(member->name, member->size);
    const int64_t content = member->begin + static_cast<int64_t>(header.size());
    if (offset < content) {
      bytes->append(header, static_cast<size_t>(offset - member->begin),
                    static_cast<size_t>(std::min(end, content) - offset));
      offset = std::min(end, content);
    }
    const int64_t wanted = std::min(end, content + member->size) - offset;
    if (wanted > 0) {
      const std::string path = absl::StrCat(path_, "/", member->name);
      absl::StatusOr<File> file = File::Open(path, O_RDONLY);
      if (!file.ok()) return file.status();
      const absl::StatusOr<int64_t> now = file->Size();
      if (!now.ok()) return now.status();
      std::string part;
      if (absl::Status status = file->ReadAt(offset - content, static_cast<size_t>(wanted), &part); !status.ok()) {
        return status;
      }
      if (*now != member->size || static_cast<int64_t>(part.size()) != wanted) {
        return absl::AbortedError(absl::StrCat(path, " changed while it was sent"));
      }
      bytes->append(part);
      offset += wanted;
    }
    const int64_t padding = std::min(end, content + Padded(member->size)) - offset;
    if (padding > 0) bytes->append(static_cast<size_t>(padding), '\0');
    offset += std::max<int64_t>(padding, 0);
  }
  if (offset < end) bytes->append(static_cast<size_t>(end - offset), '\0');  // Of the end mark.
  return absl::OkStatus();
}

absl::StatusOr<std::string> PackedFolder::Crc32() const {
  constexpr size_t kPiece = 1 << 20;
  uLong crc = 0;
  std::string bytes;
  for (int64_t offset = 0; offset < size_; offset += static_cast<int64_t>(bytes.size())) {
    if (absl::Status status = ReadAt(offset, kPiece, &bytes); !status.ok()) return status;
    crc = crc32_z(crc, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size());
  }
  return absl::StrFormat("%08x", crc);
}

}  // namespace traind::client
