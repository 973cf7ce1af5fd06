#include "core/data/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <locale.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "core/data/array_reader.h"
#include "core/data/split_reader.h"

namespace traind::core {
namespace {

constexpr size_t kLongestName = 4096;
constexpr size_t kBlock = 512;  // Of a tar.

// libarchive converts names by the locale of the thread; "C" cannot say those that are not ASCII.
class Utf8Names {
 public:
  Utf8Names() : before_(uselocale(Utf8())) {}
  ~Utf8Names() { uselocale(before_); }
  Utf8Names(const Utf8Names&) = delete;
  Utf8Names& operator=(const Utf8Names&) = delete;

 private:
  static locale_t Utf8() {
    static const locale_t kLocale = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
    return kLocale;
  }
  const locale_t before_;
};

// The sum of all bytes of a tar's header, those of the checksum itself counted as blanks, stands in it as octal digits.
bool HasTarChecksum(absl::string_view block) {
  constexpr size_t kAt = 148;
  constexpr size_t kSize = 8;
  if (block.size() < kBlock) return false;
  int64_t sum = 0;
  int64_t said = 0;
  for (size_t i = 0; i < kBlock; ++i) {
    const bool own = i >= kAt && i < kAt + kSize;
    sum += own ? ' ' : static_cast<unsigned char>(block[i]);
    if (own && block[i] >= '0' && block[i] <= '7') said = said * 8 + (block[i] - '0');
  }
  return sum == said;
}

struct ArchiveCloser {
  void operator()(archive* open) const { archive_read_free(open); }
};

std::string FaultOf(archive_entry* entry) {
  const auto type = archive_entry_filetype(entry);
  const char* kind = type == AE_IFLNK                       ? "a symbolic link"
                     : type == AE_IFIFO                     ? "a FIFO"
                     : type == AE_IFCHR || type == AE_IFBLK ? "a device"
                                                            : "of an unknown kind";
  return absl::StrCat(kind, "; only files and folders are read");
}

}  // namespace

struct ArchiveReader::State {
  InputFile file;
  std::unique_ptr<ByteSource> source = nullptr;  // Of a tar.
  std::vector<char> buffer = std::vector<char>(1 << 16);
  absl::Status source_status = absl::OkStatus();  // What made a read fail.
  std::unique_ptr<archive, ArchiveCloser> reader = nullptr;
  bool in_file = false;
  int64_t size = -1;  // Of the entry's content; -1: not announced.

  static la_ssize_t Read(archive* reader, void* client, const void** bytes) {
    auto& self = *static_cast<State*>(client);
    auto n = self.source->Read(self.buffer.data(), self.buffer.size());
    if (!n.ok()) {
      self.source_status = n.status();
      archive_set_error(reader, EIO, "cannot be read");
      return -1;
    }
    *bytes = self.buffer.data();
    return static_cast<la_ssize_t>(*n);
  }

  absl::Status Bad(absl::string_view what) const {
    return BadBytes(file.name, archive_filter_bytes(reader.get(), 0), what);
  }
  // Of the call that failed.
  absl::Status Failure() const {
    if (!source_status.ok()) return source_status;
    if (archive_errno(reader.get()) == ENOMEM) return absl::ResourceExhaustedError("no memory to read an archive");
    const char* text = archive_error_string(reader.get());
    return Bad(absl::StrCat("the archive is damaged: ", text == nullptr ? "no reason given" : text));
  }
};

ArchiveReader::ArchiveReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
ArchiveReader::ArchiveReader(ArchiveReader&&) noexcept = default;
ArchiveReader& ArchiveReader::operator=(ArchiveReader&&) noexcept = default;
ArchiveReader::~ArchiveReader() = default;

bool IsArchive(absl::string_view first_bytes) {
  constexpr size_t kTarMagicAt = 257;
  constexpr std::array<absl::string_view, 4> kMagics = {absl::string_view("PK\x03\x04", 4),
                                                        absl::string_view("\xfd"
                                                                          "7zXZ\0",
                                                                          6),
                                                        "BZh", absl::string_view("\x28\xb5\x2f\xfd", 4)};
  for (const absl::string_view magic : kMagics) {
    if (absl::StartsWith(first_bytes, magic)) return true;
  }
  return (first_bytes.size() > kTarMagicAt && absl::StartsWith(first_bytes.substr(kTarMagicAt), "ustar")) ||
         HasTarChecksum(first_bytes);
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

absl::StatusOr<ArchiveReader> ArchiveReader::Open(const InputFile& file) {
  auto zip = IsNpz(file);
  if (!zip.ok()) return zip.status();
  auto state = std::make_unique<State>(State{.file = file});
  state->reader.reset(archive_read_new());
  archive* reader = state->reader.get();
  if (reader == nullptr) return absl::ResourceExhaustedError("no memory to read an archive");
  const Utf8Names utf8;
  int result;
  if (*zip) {
    archive_read_support_format_zip_seekable(reader);  // By its central directory: a part of one is no zip.
    result = archive_read_open_filename(reader, file.path.c_str(), state->buffer.size());
  } else {
    // gzip is unpacked by the source, which checks its checksum; libarchive does not.
    auto source = OpenUnpacked(file);
    if (!source.ok()) return source.status();
    state->source = *std::move(source);
    archive_read_support_format_tar(reader);
    archive_read_support_filter_xz(reader);
    archive_read_support_filter_bzip2(reader);
    archive_read_support_filter_zstd(reader);
    // All is read to its end: what follows an end mark, and the checksums of what is compressed.
    archive_read_set_options(reader, "tar:read_concatenated_archives");
    result = archive_read_open(reader, state.get(), nullptr, State::Read, nullptr);
  }
  if (result != ARCHIVE_OK) return state->Failure();
  return ArchiveReader(std::move(state));
}

absl::StatusOr<std::optional<ArchiveEntry>> ArchiveReader::Next() {
  archive* reader = state_->reader.get();
  const Utf8Names utf8;
  if (std::exchange(state_->in_file, false) && archive_read_data_skip(reader) != ARCHIVE_OK) return state_->Failure();
  const int64_t start = archive_filter_bytes(reader, 0);
  archive_entry* entry = nullptr;
  const int result = archive_read_next_header(reader, &entry);
  if (result == ARCHIVE_EOF) {
    const bool tar = (archive_format(reader) & ARCHIVE_FORMAT_BASE_MASK) == ARCHIVE_FORMAT_TAR;
    if (!tar || archive_filter_bytes(reader, 0) - start >= static_cast<int64_t>(kBlock)) return std::nullopt;
    return state_->Bad("the archive ends without its end mark: it is not complete");
  }
  if (result != ARCHIVE_OK) return state_->Failure();
  state_->in_file = true;
  state_->size = archive_entry_size_is_set(entry) ? archive_entry_size(entry) : -1;
  const char* name = archive_entry_pathname(entry);
  if (name == nullptr) return state_->Bad("an entry without a name");
  auto safe = SafeName(name);
  if (!safe.ok()) return state_->Bad(safe.status().message());
  ArchiveEntry made{.name = *std::move(safe), .size = state_->size};
  if (const char* link = archive_entry_hardlink(entry); link != nullptr) {
    auto safe_link = SafeName(link);
    if (!safe_link.ok()) return state_->Bad(safe_link.status().message());
    made.link = *std::move(safe_link);
    return made;
  }
  made.folder = archive_entry_filetype(entry) == AE_IFDIR;
  if (!made.folder && archive_entry_filetype(entry) != AE_IFREG) made.fault = FaultOf(entry);
  return made;
}

absl::StatusOr<std::string> ArchiveReader::Content(int64_t limit) {
  constexpr size_t kPiece = 1 << 20;
  const Utf8Names utf8;
  std::string content;
  for (;;) {
    const size_t done = content.size();
    const size_t left = state_->size < static_cast<int64_t>(done) ? 0 : static_cast<size_t>(state_->size) - done;
    const size_t piece = state_->size < 0 ? kPiece : std::min(kPiece, left + 1);
    content.resize(done + piece);
    const la_ssize_t n = archive_read_data(state_->reader.get(), content.data() + done, piece);
    if (n < 0) return state_->Failure();
    content.resize(done + static_cast<size_t>(n));
    if (n == 0) break;
    if (static_cast<int64_t>(content.size()) > limit) {
      return absl::ResourceExhaustedError(absl::StrCat("more than ", limit, " bytes"));
    }
  }
  if (state_->size >= 0 && static_cast<int64_t>(content.size()) != state_->size) {
    return state_->Bad(absl::StrCat("a file of ", content.size(), " bytes where ", state_->size, " were announced"));
  }
  return content;
}

}  // namespace traind::core
