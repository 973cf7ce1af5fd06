#include "server/backup/sums.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <system_error>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "core/base/file.h"

namespace traind::server {
namespace {

namespace fs = std::filesystem;

constexpr size_t kPieceBytes = size_t{1} << 18;
constexpr size_t kDigits = 64;

bool IsDigest(absl::string_view text) {
  return text.size() == kDigits && std::all_of(text.begin(), text.end(), [](char c) {
           return absl::ascii_isdigit(static_cast<unsigned char>(c)) || (c >= 'a' && c <= 'f');
         });
}

// Below the folder, and with nothing that sha256sum would have to escape.
bool IsListable(absl::string_view path) {
  if (path.empty() || path[0] == '/' || path.find_first_of("\\\n\r") != absl::string_view::npos) return false;
  const std::vector<absl::string_view> parts = absl::StrSplit(path, '/');
  return std::none_of(parts.begin(), parts.end(),
                      [](absl::string_view part) { return part.empty() || part == "." || part == ".."; });
}

}  // namespace

absl::StatusOr<std::string> Sha256OfFile(const std::string& path, const OnBytes& on_bytes) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return core::ErrnoStatus(errno, "open", path);
  const absl::Cleanup close_fd = [fd] { close(fd); };
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> digest(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  bool good = digest != nullptr && EVP_DigestInit_ex(digest.get(), EVP_sha256(), nullptr) == 1;
  std::vector<char> piece(kPieceBytes);
  while (good) {
    const ssize_t n = read(fd, piece.data(), piece.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return core::ErrnoStatus(errno, "read", path);
    if (n == 0) break;
    good = EVP_DigestUpdate(digest.get(), piece.data(), static_cast<size_t>(n)) == 1;
    if (absl::Status status = on_bytes(piece.data(), static_cast<size_t>(n)); !status.ok()) return status;
  }
  unsigned char bytes[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  good = good && EVP_DigestFinal_ex(digest.get(), bytes, &size) == 1;
  if (!good) return absl::InternalError("OpenSSL has no SHA-256");
  return absl::BytesToHexString({reinterpret_cast<const char*>(bytes), size});
}

std::string SumsText(const Sums& sums) {
  std::string text;
  for (const auto& [path, digest] : sums) absl::StrAppend(&text, digest, "  ", path, "\n");
  return text;
}

absl::StatusOr<Sums> ParseSums(const std::string& text) {
  Sums sums;
  int number = 0;
  for (const absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    ++number;
    const absl::string_view digest = line.substr(0, kDigits);
    const absl::string_view path = line.size() > kDigits + 2 ? line.substr(kDigits + 2) : "";
    if (!IsDigest(digest) || line.substr(kDigits, 2) != "  " || !IsListable(path)) {
      return absl::DataLossError(
          absl::StrCat(kSumsFile, ", line ", number, ": wants a SHA-256, two spaces and a path"));
    }
    sums.emplace(path, digest);
  }
  return sums;
}

absl::StatusOr<std::map<std::string, int64_t>> FilesBelow(const std::string& dir) {
  std::map<std::string, int64_t> files;
  std::error_code error;
  fs::recursive_directory_iterator entry(dir, error);
  for (; !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
    if (entry->is_directory() && !entry->is_symlink()) continue;
    const std::string path = fs::path(entry->path()).lexically_relative(dir).string();
    if (path == kSumsFile) continue;
    if (entry->is_symlink() || !entry->is_regular_file() || !IsListable(path)) {
      return absl::DataLossError(absl::StrCat(entry->path().string(), " is no file that a backup holds"));
    }
    files.emplace(path, static_cast<int64_t>(entry->file_size(error)));
  }
  if (error) return core::ErrnoStatus(error.value(), "list", dir);
  return files;
}

}  // namespace traind::server
