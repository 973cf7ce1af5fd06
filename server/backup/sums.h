// The list of what a backup holds: SHA256SUMS, in the form that sha256sum -c reads, so that a backup can be checked
// without traind. Pure but for the files; thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace traind::server {

inline constexpr char kSumsFile[] = "SHA256SUMS";

// Is told of each piece of a file that was read, some hundred kilobytes.
using OnBytes = std::function<absl::Status(const char* data, size_t size)>;
// The SHA-256 of the file's bytes, as 64 hex digits. Errors of files, and those of `on_bytes`.
absl::StatusOr<std::string> Sha256OfFile(const std::string& path, const OnBytes& on_bytes);

// Hex digits by path, relative to the backup's folder.
using Sums = std::map<std::string, std::string>;

std::string SumsText(const Sums& sums);
// DATA_LOSS: a line has another form, or a path leads out of the folder.
absl::StatusOr<Sums> ParseSums(const std::string& text);

// Paths of all regular files below the folder, relative to it, with their bytes, but for the list itself. DATA_LOSS:
// something else than a file or folder is there, or a name that the list cannot hold.
absl::StatusOr<std::map<std::string, int64_t>> FilesBelow(const std::string& dir);

}  // namespace traind::server
