#include "server/store/data_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "server/names.h"

namespace traind::server {
namespace {

namespace fs = std::filesystem;

absl::Status FileError(const std::error_code& error, absl::string_view doing, const std::string& path) {
  const std::string message = absl::StrCat("cannot ", doing, " ", path, ": ", error.message());
  if (error == std::errc::no_space_on_device) return absl::ResourceExhaustedError(message);
  if (error == std::errc::permission_denied || error == std::errc::read_only_file_system) {
    return absl::PermissionDeniedError(message);
  }
  return absl::UnavailableError(message);
}

absl::Status SyncFolder(const std::string& path) {
  const int folder = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0 || fsync(folder) != 0) {
    const std::error_code error(errno, std::generic_category());
    if (folder >= 0) close(folder);
    return FileError(error, "sync", path);
  }
  close(folder);
  return absl::OkStatus();
}

std::string Singular(absl::string_view collection) {
  return std::string(collection == "datasets" ? "Dataset" : collection == "models" ? "Model" : "Upload");
}

}  // namespace

absl::StatusOr<std::unique_ptr<DataFolder>> DataFolder::Open(const std::string& path) {
  std::error_code error;
  const std::string absolute = fs::absolute(path, error).lexically_normal().string();
  for (const char* name : {"", "datasets", "jobs", "models", "uploads", "trash"}) {
    fs::create_directories(fs::path(absolute) / name, error);
    if (error) return FileError(error, "create", absl::StrCat(absolute, "/", name));
  }
  const std::string lock_path = absolute + "/lock";
  const int lock = open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock < 0) return FileError(std::error_code(errno, std::generic_category()), "open", lock_path);
  auto folder = std::unique_ptr<DataFolder>(new DataFolder(absolute, lock));
  if (flock(lock, LOCK_EX | LOCK_NB) != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("another traind uses the data folder ", absolute, "; give this one its own with --data-dir"));
  }
  fs::remove_all(absolute + "/trash", error);
  fs::create_directory(absolute + "/trash", error);
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
  if (error) return FileError(error, "list", folder);
  std::sort(ids.begin(), ids.end());
  return ids;
}

bool DataFolder::Exists(absl::string_view collection, absl::string_view id) const {
  std::error_code error;
  return fs::exists(Item(collection, id), error);
}

absl::StatusOr<std::string> DataFolder::NewTemporary() {
  std::string path = absl::StrCat(path_, "/trash/new-", next_name_.fetch_add(1));
  std::error_code error;
  fs::create_directory(path, error);
  if (error) return FileError(error, "create", path);
  return path;
}

absl::Status DataFolder::Publish(const std::string& temporary, absl::string_view collection, absl::string_view id) {
  if (absl::Status status = SyncFolder(temporary); !status.ok()) return status;
  const std::string item = Item(collection, id);
  // Replaces nothing but an empty folder, which no item is.
  if (rename(temporary.c_str(), item.c_str()) != 0) {
    if (errno == ENOTEMPTY || errno == EEXIST) {
      return AlreadyExistsError(Singular(collection), absl::StrCat(collection, "/", id));
    }
    return FileError(std::error_code(errno, std::generic_category()), "create", item);
  }
  return SyncFolder(absl::StrCat(path_, "/", collection));
}

absl::Status DataFolder::KeepInitialWeights(const std::string& file, absl::string_view job) {
  std::error_code error;
  const std::string folder = Item("jobs", job);
  fs::create_directories(folder, error);
  if (error) return FileError(error, "create", folder);
  const std::string kept = InitialWeights(job);
  fs::remove(kept, error);
  fs::create_hard_link(file, kept, error);
  if (error) return FileError(error, "link", kept);
  if (absl::Status status = SyncFolder(folder); !status.ok()) return status;
  return SyncFolder(path_ + "/jobs");
}

absl::Status DataFolder::Remove(absl::string_view collection, absl::string_view id) {
  const std::string item = Item(collection, id);
  const std::string trash = absl::StrCat(path_, "/trash/old-", next_name_.fetch_add(1));
  if (rename(item.c_str(), trash.c_str()) != 0) {
    if (errno == ENOENT) return absl::OkStatus();
    return FileError(std::error_code(errno, std::generic_category()), "remove", item);
  }
  if (absl::Status status = SyncFolder(absl::StrCat(path_, "/", collection)); !status.ok()) return status;
  std::error_code ignored;  // What is left over is freed at the next start.
  fs::remove_all(trash, ignored);
  return absl::OkStatus();
}

}  // namespace traind::server
