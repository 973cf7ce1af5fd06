#include "server/backup/file_taker.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "core/checkpoint/checkpoint_dir.h"
#include "google/protobuf/util/time_util.h"
#include "server/resources/names.h"

namespace traind::server {
namespace {

namespace fs = std::filesystem;

// A folder that was replaced by another one so often while it was linked is left for an error.
constexpr int kAttempts = 5;

// 0: it is not there.
ino_t InodeOf(const std::string& path) {
  struct stat info;
  return lstat(path.c_str(), &info) == 0 ? info.st_ino : 0;
}

absl::Status MakeFolder(const std::string& path) {
  if (mkdir(path.c_str(), S_IRWXU) == 0 || errno == EEXIST) return absl::OkStatus();
  return core::ErrnoStatus(errno, "create", path);
}

// Half written: whoever writes it gives it its name in the end.
bool IsUnfinished(absl::string_view name) { return absl::StrContains(name, ".tmp-") || absl::EndsWith(name, ".part"); }

absl::Status Restless(const std::string& path) {
  return absl::UnavailableError(absl::StrCat(path, " changes faster than it can be linked; try again"));
}

// The job whose folder `to` it is: every file of the manifest is there, with its bytes.
bool IsWhole(const core::CheckpointFiles& checkpoint) {
  return std::all_of(checkpoint.manifest.files().begin(), checkpoint.manifest.files().end(),
                     [&](const v1::CheckpointFile& file) {
                       std::error_code error;
                       const auto bytes = fs::file_size(absl::StrCat(checkpoint.dir, "/", file.name()), error);
                       return !error && static_cast<int64_t>(bytes) == file.size_bytes();
                     });
}

}  // namespace

absl::StatusOr<std::vector<std::string>> NamesBelow(const std::string& dir) {
  std::vector<std::string> names;
  std::error_code error;
  fs::directory_iterator entry(dir, error);
  if (error == std::errc::no_such_file_or_directory) return names;
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    names.push_back(entry->path().filename().string());
  }
  if (error) return core::ErrnoStatus(error.value(), "list", dir);
  std::sort(names.begin(), names.end());
  return names;
}

absl::StatusOr<FileTaker::Outcome> FileTaker::TakeTree(const std::string& path) {
  auto names = NamesBelow(absl::StrCat(from_, "/", path));
  if (!names.ok()) return names.status();
  if (absl::Status status = MakeFolder(absl::StrCat(to_, "/", path)); !status.ok()) return status;
  for (const std::string& name : *names) {
    if (IsUnfinished(name)) continue;
    const std::string below = absl::StrCat(path, "/", name);
    const std::string from = absl::StrCat(from_, "/", below), to = absl::StrCat(to_, "/", below);
    std::error_code error;
    if (fs::is_directory(fs::symlink_status(from, error))) {
      auto taken = TakeTree(below);
      if (!taken.ok() || *taken == Outcome::kGone) return taken;
      continue;
    }
    const absl::Status linked = core::LinkOrCopy(from, to);
    if (absl::IsNotFound(linked)) return Outcome::kGone;
    if (!linked.ok()) return linked;
    ++taken_;
  }
  return Outcome::kWhole;
}

absl::StatusOr<FileTaker::Outcome> FileTaker::TakeFolder(const std::string& path) {
  const std::string from = absl::StrCat(from_, "/", path), to = absl::StrCat(to_, "/", path);
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const ino_t inode = InodeOf(from);
    if (inode == 0) return Outcome::kGone;
    auto taken = TakeTree(path);
    if (!taken.ok()) return taken;
    // Another one may have come by its name meanwhile.
    if (*taken == Outcome::kWhole && InodeOf(from) == inode) return taken;
    if (absl::Status status = core::RemoveAll(to); !status.ok()) return status;
  }
  return Restless(from);
}

absl::Status FileTaker::TakeCollection(absl::string_view collection) {
  if (absl::Status status = MakeFolder(absl::StrCat(to_, "/", collection)); !status.ok()) return status;
  auto ids = NamesBelow(absl::StrCat(from_, "/", collection));
  if (!ids.ok()) return ids.status();
  for (const std::string& id : *ids) {
    if (!IsValidId(id)) continue;  // A folder that is being made.
    const std::string path = absl::StrCat(collection, "/", id);
    absl::Status status;
    if (collection == "jobs") {
      status = TakeJob(id);
    } else if (InodeOf(absl::StrCat(to_, "/", path)) == 0) {
      status = collection == "uploads" ? TakeUpload(id) : TakeFolder(path).status();
    }
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

// Its bytes are appended to in place, and its header vouches for the first of them: the header is taken first, and is
// never ahead of the bytes unless the upload began anew in between.
absl::Status FileTaker::TakeUpload(const std::string& id) {
  const std::string from = absl::StrCat(from_, "/uploads/", id), to = absl::StrCat(to_, "/uploads/", id);
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    auto names = NamesBelow(from);
    if (!names.ok() || names->empty()) return names.status();
    if (absl::Status status = MakeFolder(to); !status.ok()) return status;
    const ino_t inode = InodeOf(from), header = InodeOf(from + "/upload.pb");
    absl::Status status;
    for (const std::string& name : *names) {
      if (IsUnfinished(name) || name == "data") continue;
      if (status.ok()) status = core::LinkOrCopy(absl::StrCat(from, "/", name), absl::StrCat(to, "/", name));
    }
    std::error_code error;
    if (status.ok() && fs::exists(from + "/data", error)) fs::copy_file(from + "/data", to + "/data", error);
    if (error && error != std::errc::no_such_file_or_directory) {
      return core::ErrnoStatus(error.value(), "copy", from + "/data");
    }
    if (!status.ok() && !absl::IsNotFound(status)) return status;
    if (status.ok() && !error && InodeOf(from) == inode && InodeOf(from + "/upload.pb") == header) {
      taken_ += static_cast<int64_t>(names->size());
      return absl::OkStatus();
    }
    if (status = core::RemoveAll(to); !status.ok()) return status;
  }
  // Somebody sends it right now, faster than it is copied: whoever has the backup restored sends it anew.
  return absl::OkStatus();
}

absl::Status FileTaker::TakeJob(const std::string& id, std::optional<uint64_t> last_step) {
  const std::string path = absl::StrCat("jobs/", id);
  auto names = NamesBelow(absl::StrCat(from_, "/", path));
  if (!names.ok() || names->empty()) return names.status();
  if (absl::Status status = MakeFolder(absl::StrCat(to_, "/", path)); !status.ok()) return status;
  for (const std::string& name : *names) {
    const std::string file = absl::StrCat(path, "/", name), to = absl::StrCat(to_, "/", file);
    if (name == "checkpoints" || IsUnfinished(name) || InodeOf(to) != 0) continue;
    const absl::Status linked = core::LinkOrCopy(absl::StrCat(from_, "/", file), to);
    if (!linked.ok() && !absl::IsNotFound(linked)) return linked;
    ++taken_;
  }
  return TakeCheckpoints(id, last_step);
}

absl::Status FileTaker::TakeCheckpoints(const std::string& id, std::optional<uint64_t> last_step) {
  const std::string path = absl::StrCat("jobs/", id, "/checkpoints");
  const std::string from = absl::StrCat(from_, "/", path), to = absl::StrCat(to_, "/", path);
  auto checkpoints = core::ListCheckpoints(from);
  if (!checkpoints.ok() || checkpoints->empty()) return checkpoints.status();
  auto had = core::ListCheckpoints(to);
  if (!had.ok()) return had.status();
  if (absl::Status status = MakeFolder(to); !status.ok()) return status;
  for (const core::CheckpointFiles& checkpoint : *checkpoints) {
    if (last_step.has_value() && checkpoint.manifest.step() > *last_step) continue;
    const bool same = std::any_of(had->begin(), had->end(), [&](const core::CheckpointFiles& other) {
      return other.manifest.step() == checkpoint.manifest.step() &&
             other.manifest.create_time() == checkpoint.manifest.create_time();
    });
    if (same) continue;
    const std::string name = fs::path(checkpoint.dir).filename().string();
    absl::Status status = core::RemoveAll(absl::StrCat(to, "/", name));  // One of the step before, or half of one.
    if (status.ok()) status = TakeFolder(absl::StrCat(path, "/", name)).status();
    if (!status.ok()) return status;
  }
  auto taken = core::ListCheckpoints(to);
  if (!taken.ok()) return taken.status();
  // A folder that was being removed while it was read.
  for (const core::CheckpointFiles& checkpoint : *taken) {
    if (IsWhole(checkpoint)) continue;
    if (absl::Status status = core::RemoveAll(checkpoint.dir); !status.ok()) return status;
  }
  const absl::Status best = core::LinkOrCopy(from + "/deleted-best.json", to + "/deleted-best.json");
  return absl::IsNotFound(best) || absl::IsAlreadyExists(best) ? absl::OkStatus() : best;
}

absl::StatusOr<bool> FileTaker::HasCheckpoint(const std::string& id, uint64_t last_step) const {
  auto checkpoints = core::ListCheckpoints(absl::StrCat(to_, "/jobs/", id, "/checkpoints"));
  if (!checkpoints.ok()) return checkpoints.status();
  return std::any_of(checkpoints->begin(), checkpoints->end(),
                     [&](const core::CheckpointFiles& checkpoint) { return checkpoint.manifest.step() <= last_step; });
}

absl::Status FileTaker::Keep(absl::string_view collection, const std::vector<std::string>& keep) {
  auto ids = NamesBelow(absl::StrCat(to_, "/", collection));
  if (!ids.ok()) return ids.status();
  for (const std::string& id : *ids) {
    if (std::binary_search(keep.begin(), keep.end(), id)) continue;
    if (absl::Status status = core::RemoveAll(absl::StrCat(to_, "/", collection, "/", id)); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace traind::server
