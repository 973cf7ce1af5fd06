// Members of an NPZ file: a zip whose entries are NPY files (PKWARE APPNOTE.TXT, 4.3: end of central directory 4.3.16,
// zip64 4.3.14-15, central directory 4.3.12, local header 4.3.7). Only the central directory is trusted, and only after
// every offset was checked against the file's size.
#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "core/base/file.h"
#include "core/data/array_reader.h"

namespace traind::core {
namespace {

constexpr uint32_t kEndSignature = 0x06054b50;
constexpr uint32_t kEnd64Signature = 0x06064b50;
constexpr uint32_t kEnd64LocatorSignature = 0x07064b50;
constexpr uint32_t kEntrySignature = 0x02014b50;
constexpr uint32_t kLocalSignature = 0x04034b50;
constexpr size_t kEndSize = 22;
constexpr size_t kEnd64Size = 56;
constexpr size_t kEnd64LocatorSize = 20;
constexpr size_t kEntrySize = 46;
constexpr size_t kLocalSize = 30;
constexpr size_t kMaxCommentSize = 0xffff;
constexpr int64_t kMaxDirectorySize = 1 << 20;
constexpr uint16_t kZip64Extra = 1;

struct Entry {
  std::string name;  // Without ".npy".
  uint16_t flags = 0;
  uint16_t method = 0;
  uint32_t crc32 = 0;
  uint64_t compressed_size = 0;
  uint64_t size = 0;
  uint64_t local_offset = 0;
  int64_t position = 0;  // Of the entry in the file.
};

// Little-endian numbers at places that the caller has checked.
uint64_t Number(absl::string_view bytes, size_t at, size_t width) {
  uint64_t value = 0;
  for (size_t i = 0; i < width; ++i) value |= uint64_t{static_cast<unsigned char>(bytes[at + i])} << (8 * i);
  return value;
}
uint16_t U16(absl::string_view bytes, size_t at) { return static_cast<uint16_t>(Number(bytes, at, 2)); }
uint32_t U32(absl::string_view bytes, size_t at) { return static_cast<uint32_t>(Number(bytes, at, 4)); }

absl::StatusOr<std::string> ReadRange(const InputFile& file, int64_t offset, int64_t size) {
  auto source = OpenFile(file, offset, size);
  if (!source.ok()) return source.status();
  std::string bytes(static_cast<size_t>(size), '\0');
  if (absl::Status status = ReadExactly(**source, bytes.data(), bytes.size(), offset); !status.ok()) return status;
  return bytes;
}

struct Directory {
  uint64_t offset;
  uint64_t size;
  uint64_t entries;
};

// Finds the central directory from the end of the file.
absl::StatusOr<Directory> FindDirectory(const InputFile& file, int64_t file_size) {
  const int64_t tail_size = std::min<int64_t>(file_size, kEndSize + kMaxCommentSize + kEnd64LocatorSize);
  const int64_t tail_offset = file_size - tail_size;
  auto tail = ReadRange(file, tail_offset, tail_size);
  if (!tail.ok()) return tail.status();
  size_t at = std::string::npos;
  for (size_t i = tail->size() + 1; i-- > kEndSize;) {  // i: where a record would end, without its comment.
    if (U32(*tail, i - kEndSize) == kEndSignature) {
      at = i - kEndSize;
      break;
    }
  }
  if (at == std::string::npos) {
    return BadBytes(file.name, file_size, "the zip's central directory is missing: the file is not complete");
  }
  Directory directory = {.offset = U32(*tail, at + 16), .size = U32(*tail, at + 12), .entries = U16(*tail, at + 10)};
  if (at >= kEnd64LocatorSize && U32(*tail, at - kEnd64LocatorSize) == kEnd64LocatorSignature) {
    const uint64_t end64 = Number(*tail, at - kEnd64LocatorSize + 8, 8);
    if (end64 > static_cast<uint64_t>(file_size) || static_cast<uint64_t>(file_size) - end64 < kEnd64Size) {
      return BadBytes(file.name, tail_offset + static_cast<int64_t>(at - kEnd64LocatorSize),
                      "a zip64 record past the end");
    }
    auto record = ReadRange(file, static_cast<int64_t>(end64), kEnd64Size);
    if (!record.ok()) return record.status();
    if (U32(*record, 0) != kEnd64Signature) {
      return BadBytes(file.name, static_cast<int64_t>(end64), "not a zip64 end of central directory");
    }
    directory = {.offset = Number(*record, 48, 8), .size = Number(*record, 40, 8), .entries = Number(*record, 32, 8)};
  }
  if (directory.size > kMaxDirectorySize) {
    return BadBytes(file.name, tail_offset + static_cast<int64_t>(at),
                    absl::StrCat("a central directory of ", directory.size, " bytes; at most ", kMaxDirectorySize));
  }
  if (directory.offset > static_cast<uint64_t>(file_size) ||
      directory.size > static_cast<uint64_t>(file_size) - directory.offset) {
    return BadBytes(file.name, tail_offset + static_cast<int64_t>(at),
                    "the central directory lies past the end of the file");
  }
  return directory;
}

// Takes the 64-bit sizes and offset from the zip64 extra field, for those that are all ones in the entry.
bool ApplyZip64(absl::string_view extra, Entry* entry) {
  while (extra.size() >= 4) {
    const uint16_t id = U16(extra, 0);
    const size_t size = U16(extra, 2);
    extra.remove_prefix(4);
    if (size > extra.size()) return false;
    if (id == kZip64Extra) {
      size_t at = 0;
      for (uint64_t* field : {&entry->size, &entry->compressed_size, &entry->local_offset}) {
        if (*field != 0xffffffff) continue;
        if (at + 8 > size) return false;
        *field = Number(extra, at, 8);
        at += 8;
      }
      return true;
    }
    extra.remove_prefix(size);
  }
  return true;
}

absl::StatusOr<std::vector<Entry>> ReadDirectory(const InputFile& file) {
  auto whole = OpenFile(file);
  if (!whole.ok()) return whole.status();
  const int64_t file_size = (*whole)->remaining();
  auto directory = FindDirectory(file, file_size);
  if (!directory.ok()) return directory.status();
  const int64_t offset = static_cast<int64_t>(directory->offset);
  auto bytes = ReadRange(file, offset, static_cast<int64_t>(directory->size));
  if (!bytes.ok()) return bytes.status();

  std::vector<Entry> entries;
  size_t at = 0;
  for (uint64_t i = 0; i < directory->entries; ++i) {
    const int64_t position = offset + static_cast<int64_t>(at);
    if (bytes->size() - at < kEntrySize || U32(*bytes, at) != kEntrySignature) {
      return BadBytes(file.name, position, absl::StrCat("entry ", i, " of the central directory is damaged"));
    }
    const absl::string_view fixed = absl::string_view(*bytes).substr(at, kEntrySize);
    const size_t name_size = U16(fixed, 28);
    const size_t extra_size = U16(fixed, 30);
    const size_t comment_size = U16(fixed, 32);
    at += kEntrySize;
    if (bytes->size() - at < name_size + extra_size + comment_size) {
      return BadBytes(file.name, position, absl::StrCat("entry ", i, " of the central directory is cut off"));
    }
    Entry entry = {.name = bytes->substr(at, name_size),
                   .flags = U16(fixed, 8),
                   .method = U16(fixed, 10),
                   .crc32 = U32(fixed, 16),
                   .compressed_size = U32(fixed, 20),
                   .size = U32(fixed, 24),
                   .local_offset = U32(fixed, 42),
                   .position = position};
    if (!ApplyZip64(absl::string_view(*bytes).substr(at + name_size, extra_size), &entry)) {
      return BadBytes(file.name, position, absl::StrCat("entry ", i, " has a damaged zip64 field"));
    }
    at += name_size + extra_size + comment_size;
    const uint64_t limit = static_cast<uint64_t>(file_size);
    if (entry.local_offset > limit || limit - entry.local_offset < kLocalSize ||
        entry.compressed_size > limit - entry.local_offset - kLocalSize || entry.size > uint64_t{1} << 50) {
      return BadBytes(file.name, position, absl::StrCat("entry ", i, " lies past the end of the file"));
    }
    if (absl::EndsWith(entry.name, ".npy")) entry.name.resize(entry.name.size() - 4);
    entries.push_back(std::move(entry));
  }
  return entries;
}

absl::StatusOr<std::unique_ptr<ByteSource>> OpenEntry(const InputFile& file, const Entry& entry) {
  constexpr uint16_t kEncrypted = 1;
  if (entry.flags & kEncrypted) return BadBytes(file.name, entry.position, absl::StrCat(entry.name, " is encrypted"));
  auto local = ReadRange(file, static_cast<int64_t>(entry.local_offset), kLocalSize);
  if (!local.ok()) return local.status();
  if (U32(*local, 0) != kLocalSignature) {
    return BadBytes(file.name, static_cast<int64_t>(entry.local_offset),
                    absl::StrCat("no local header of ", entry.name));
  }
  const int64_t start =
      static_cast<int64_t>(entry.local_offset) + static_cast<int64_t>(kLocalSize) + U16(*local, 26) + U16(*local, 28);
  auto data = OpenFile(file, start, static_cast<int64_t>(entry.compressed_size));
  if (!data.ok()) return data.status();
  constexpr uint16_t kStored = 0;
  constexpr uint16_t kDeflated = 8;
  if (entry.method == kDeflated) {
    data = OpenCompressed(*std::move(data), Compression::kDeflate, start);
    if (!data.ok()) return data.status();
  } else if (entry.method != kStored) {
    return BadBytes(file.name, entry.position,
                    absl::StrCat(entry.name, " is compressed with method ", entry.method,
                                 "; only stored and deflated members are supported"));
  }
  return CheckedSource(*std::move(data), absl::StrCat(file.name, ": ", entry.name, ".npy"),
                       static_cast<int64_t>(entry.size), entry.crc32);
}

}  // namespace

absl::StatusOr<std::unique_ptr<ByteSource>> OpenNpzMember(const InputFile& file, absl::Span<const std::string> members,
                                                          std::string* member) {
  auto entries = ReadDirectory(file);
  if (!entries.ok()) return entries.status();
  for (const std::string& wanted : members) {
    for (const Entry& entry : *entries) {
      if (entry.name != wanted) continue;
      *member = wanted;
      return OpenEntry(file, entry);
    }
  }
  const std::string known =
      absl::StrJoin(*entries, ", ", [](std::string* out, const Entry& entry) { absl::StrAppend(out, entry.name); });
  return absl::InvalidArgumentError(absl::StrCat(file.name, ": no array named ", absl::StrJoin(members, " or "),
                                                 "; the file holds: ", known.empty() ? "nothing" : known));
}

absl::StatusOr<std::vector<std::string>> NpzMembers(const InputFile& file) {
  auto entries = ReadDirectory(file);
  if (!entries.ok()) return entries.status();
  std::vector<std::string> names;
  for (const Entry& entry : *entries) names.push_back(entry.name);
  return names;
}

}  // namespace traind::core
