#include "server/store/data_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "server/resources/names.h"

namespace traind::server {
namespace {

namespace fs = std::filesystem;

std::string Singular(absl::string_view collection) {
  return std::string(collection == "datasets" ? "Dataset" : collection == "models" ? "Model" : "Upload");
}

}  // namespace

absl::StatusOr<std::unique_ptr<DataFolder>> DataFolder::Open(const std::string& path) {
  std::error_code error;
  const std::string absolute = fs::absolute(path, error).lexically_normal().string();
  if (error) return core::ErrnoStatus(error.value(), "find", path);
  for (const char* name : {"datasets", "jobs", "models", "operations", "uploads"}) {
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
  absl::Status status = core::RemoveAll(absolute + "/trash");
  if (status.ok()) status = core::CreateFolders(absolute + "/trash");
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
  std::vector<std::string> ids;
  std::error_code error;
  const std::string folder = absl::StrCat(path_, "/", collection);
  fs::directory_iterator entry(folder, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    std::string name = entry->path().filename().string();
    if (IsValidId(name)) ids.push_back(std::move(name));
  }
  if (error) return core::ErrnoStatus(error.value(), "list", folder);
  std::sort(ids.begin(), ids.end());
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
  const std::string item = Item(collection, id);
  // Replaces nothing but an empty folder, which no item is.
  const absl::Status status = core::Rename(temporary, item);
  if (absl::IsAlreadyExists(status)) {
    return AlreadyExistsError(Singular(collection), absl::StrCat(collection, "/", id));
  }
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
  return RemoveFolder(Item(collection, id));
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

}  // namespace traind::server
