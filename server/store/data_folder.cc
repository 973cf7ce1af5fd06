#include "server/store/data_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "core/base/file.h"
#include "server/resources/names.h"
#include "spdlog/spdlog.h"

namespace traind::server {
namespace {

namespace fs = std::filesystem;

std::string Singular(absl::string_view collection) {
  return std::string(collection == "datasets" ? "Dataset" : collection == "models" ? "Model" : "Upload");
}

constexpr std::array kFolders = {"datasets", "jobs", "models", "operations", "uploads", "trash"};
constexpr std::array kFiles = {"traind.db", "traind.db-wal", "traind.db-shm", "reserve", "lock"};

// Of trash/{time}-{collection}-{id}, in UTC.
constexpr char kTimeFormat[] = "%E4Y%m%dT%H%M%SZ";
constexpr size_t kTimeLength = 16;  // "20260131T235959Z"

absl::StatusOr<std::vector<std::string>> NamesIn(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  fs::directory_iterator entry(folder, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    names.push_back(entry->path().filename().string());
  }
  if (error) return core::ErrnoStatus(error.value(), "list", folder);
  std::sort(names.begin(), names.end());
  return names;
}

// What an earlier server was making or removing when it ended.
absl::Status RemoveLeftovers(const std::string& trash) {
  auto names = NamesIn(trash);
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    if (!absl::StartsWith(name, "new-") && !absl::StartsWith(name, "old-")) continue;
    if (absl::Status status = core::RemoveAll(absl::StrCat(trash, "/", name)); !status.ok()) return status;
  }
  return absl::OkStatus();
}

// Takes a file or a folder from everybody but its owner: versions before 0.3 have left it to the umask.
void CloseToOthers(const std::string& path) {
  constexpr mode_t kOthers = S_IRWXG | S_IRWXO;
  struct stat info;
  if (lstat(path.c_str(), &info) != 0 || S_ISLNK(info.st_mode) || (info.st_mode & kOthers) == 0) return;
  if (chmod(path.c_str(), info.st_mode & S_IRWXU) == 0) {
    spdlog::info("{} is its owner's alone now", path);
  } else {
    spdlog::warn("others can get at {}, and its mode cannot be changed: {}", path, std::strerror(errno));
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<DataFolder>> DataFolder::Open(const std::string& path) {
  std::error_code error;
  const std::string absolute = fs::absolute(path, error).lexically_normal().string();
  if (error) return core::ErrnoStatus(error.value(), "find", path);
  for (const char* name : kFolders) {
    if (absl::Status status = core::CreateFolders(absl::StrCat(absolute, "/", name)); !status.ok()) return status;
  }
  const std::string lock_path = absolute + "/lock";
  const int lock = open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock < 0) return core::ErrnoStatus(errno, "open", lock_path);
  auto folder = std::unique_ptr<DataFolder>(new DataFolder(absolute, lock));
  if (flock(lock, LOCK_EX | LOCK_NB) != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("another traind uses the data folder ", absolute, "; give this one its own with --data-dir"));
  }
  absl::Status status = RemoveLeftovers(absolute + "/trash");
  for (const char* name : kFolders) CloseToOthers(absl::StrCat(absolute, "/", name));
  for (const char* name : kFiles) CloseToOthers(absl::StrCat(absolute, "/", name));
  // So that a crash of the machine does not take a new folder along with what is stored in it.
  if (status.ok()) status = core::SyncFolder(absolute);
  if (!status.ok()) return status;
  return folder;
}

DataFolder::~DataFolder() { close(lock_); }

std::string DataFolder::Item(absl::string_view collection, absl::string_view id) const {
  return absl::StrCat(path_, "/", collection, "/", id);
}

absl::StatusOr<std::vector<std::string>> DataFolder::List(absl::string_view collection) const {
  auto names = NamesIn(absl::StrCat(path_, "/", collection));
  if (!names.ok()) return names.status();
  std::vector<std::string> ids;
  for (std::string& name : *names) {
    if (IsValidId(name)) ids.push_back(std::move(name));
  }
  return ids;
}

bool DataFolder::Exists(absl::string_view collection, absl::string_view id) const {
  std::error_code error;
  return fs::exists(Item(collection, id), error);
}

absl::StatusOr<std::string> DataFolder::NewTemporary() {
  std::string path = absl::StrCat(path_, "/trash/new-", next_name_.fetch_add(1));
  if (absl::Status status = core::CreateFolders(path); !status.ok()) return status;
  return path;
}

absl::Status DataFolder::Publish(const std::string& temporary, absl::string_view collection, absl::string_view id) {
  if (absl::Status status = core::SyncFolder(temporary); !status.ok()) return status;
  absl::MutexLock lock(&publish_mu_);
  if (watch_.may_publish != nullptr) {
    if (absl::Status status = watch_.may_publish(collection, temporary); !status.ok()) return status;
  }
  // Replaces nothing but an empty folder, which no item is.
  const absl::Status status = core::Rename(temporary, Item(collection, id));
  if (absl::IsAlreadyExists(status)) {
    return AlreadyExistsError(Singular(collection), absl::StrCat(collection, "/", id));
  }
  if (status.ok() && watch_.changed != nullptr) watch_.changed(collection, id);
  return status;
}

absl::StatusOr<std::string> DataFolder::KeepFile(const std::string& file, absl::string_view collection,
                                                 absl::string_view id, absl::string_view name) {
  const std::string folder = Item(collection, id);
  if (absl::Status status = core::CreateFolders(folder); !status.ok()) return status;
  const std::string kept = absl::StrCat(folder, "/", name);
  const absl::Status linked = core::LinkOrCopy(file, kept);
  if (absl::IsNotFound(linked)) return absl::UnavailableError("the weights were removed just now; try again");
  if (!linked.ok()) return linked;
  if (absl::Status status = core::SyncFolder(folder); !status.ok()) return status;
  if (absl::Status status = core::SyncFolder(absl::StrCat(path_, "/", collection)); !status.ok()) return status;
  return kept;
}

absl::Status DataFolder::KeepInitialWeights(const std::string& file, absl::string_view job) {
  return KeepFile(file, "jobs", job, fs::path(InitialWeights(job)).filename().string()).status();
}

absl::Status DataFolder::KeepInitialPreprocessing(const std::string& file, absl::string_view job) {
  return KeepFile(file, "jobs", job, fs::path(InitialPreprocessing(job)).filename().string()).status();
}

absl::Status DataFolder::Remove(absl::string_view collection, absl::string_view id) {
  const absl::Status status = RemoveFolder(Item(collection, id));
  if (status.ok() && watch_.changed != nullptr) watch_.changed(collection, id);
  return status;
}

absl::Status DataFolder::RemoveFolder(const std::string& path) {
  const std::string trash = absl::StrCat(path_, "/trash/old-", next_name_.fetch_add(1));
  if (absl::Status status = core::Rename(path, trash); !status.ok()) {
    return absl::IsNotFound(status) ? absl::OkStatus() : status;
  }
  if (absl::Status status = core::SyncFolder(fs::path(path).parent_path().string()); !status.ok()) return status;
  core::RemoveAll(trash).IgnoreError();  // What is left over is freed at the next start.
  return absl::OkStatus();
}

absl::Status DataFolder::SetAside(absl::string_view collection, absl::string_view id) {
  const std::string item = Item(collection, id);
  const std::string name =
      absl::StrCat(absl::FormatTime(kTimeFormat, absl::Now(), absl::UTCTimeZone()), "-", collection, "-", id);
  std::string trash = absl::StrCat(path_, "/trash/", name);
  // Another start of the same second may have set one aside, too.
  std::error_code error;
  for (int i = 2; fs::exists(trash, error); ++i) trash = absl::StrCat(path_, "/trash/", name, "-", i);
  absl::Status status = core::Rename(item, trash);
  if (status.ok()) status = core::SyncFolder(absl::StrCat(path_, "/", collection));
  if (!status.ok()) return status;
  spdlog::warn(
      "{}/{} has no record in traind.db, as after an older one was put back: its folder is in {} now. To get it back, "
      "stop the server, put back the traind.db that knows it, and move the folder to {}",
      std::string(collection), std::string(id), trash, item);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<DataFolder::Trashed>> DataFolder::ListTrash() const {
  auto names = NamesIn(path_ + "/trash");
  if (!names.ok()) return names.status();
  std::vector<Trashed> trashed;
  for (const std::string& name : *names) {
    absl::Time time;
    std::string error;
    if (!absl::ParseTime(kTimeFormat, name.substr(0, kTimeLength), absl::UTCTimeZone(), &time, &error)) continue;
    trashed.push_back({.path = absl::StrCat(path_, "/trash/", name), .time = time});
  }
  return trashed;
}

}  // namespace traind::server
