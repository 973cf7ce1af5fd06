#include "server/worker/confine.h"

#include <sys/resource.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <limits>
#include <string>
#include <system_error>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "core/base/machine.h"
#include "server/wire/channel.h"

namespace traind::server {
namespace {

namespace fs = std::filesystem;

// With these libarchive reads names that are not ASCII, and what time it is where.
constexpr const char* kSystemData[] = {"/usr/lib/locale",
                                       "/usr/share/locale/locale.alias",
                                       "/usr/lib/x86_64-linux-gnu/gconv",
                                       "/usr/lib/aarch64-linux-gnu/gconv",
                                       "/usr/share/zoneinfo",
                                       "/etc/localtime"};
#ifdef TRAIND_SANITIZED  // What a sanitizer's report is made of.
constexpr const char* kOfReports[] = {"/proc", "/usr", "/lib", "/lib64", "/etc/ld.so.cache"};
#else
constexpr std::initializer_list<const char*> kOfReports = {};
#endif

// Far more than a task has open at a time: a split may be of a thousand files.
constexpr int64_t kOpenFiles = 4096;
// The kernel counts the threads of all processes of the user, the server's and those of other jobs, too.
constexpr int64_t kUserThreads = 16384;
// The allocator reserves address space for each thread, far more than it uses; stacks take some.
constexpr int64_t kAddressesOfThread = int64_t{256} << 20;
constexpr int64_t kAddressesOfProgram = int64_t{16} << 30;
// A file is mapped more than once while it is checked and read.
constexpr int64_t kMappings = 4;

// The folder that holds `path`, which must be named and not be the root of all.
absl::StatusOr<std::string> FolderOf(const std::string& path) {
  const fs::path folder = fs::path(path).parent_path();
  if (!folder.is_absolute() || folder == folder.root_path()) {
    return absl::InternalError(absl::StrCat("a task that writes to \"", path, "\""));
  }
  return folder.string();
}

absl::Status AddRead(const std::string& path, FileRules& rules) {
  if (path.empty()) return absl::OkStatus();
  // "/data/" is what is left of "/data/datasets/x" where a name is missing.
  if (!fs::path(path).is_absolute() || !fs::path(path).has_filename()) {
    return absl::InternalError(absl::StrCat("a task that reads \"", path, "\""));
  }
  rules.read.push_back(path);
  return absl::OkStatus();
}

// Of a file, or of those in a folder.
int64_t BytesOf(const std::string& path) {
  std::error_code error;
  if (!fs::is_directory(path, error)) {
    const uintmax_t size = fs::file_size(path, error);
    return error ? 0 : static_cast<int64_t>(size);
  }
  int64_t bytes = 0;
  for (fs::directory_iterator it(path, error), end; !error && it != end; it.increment(error)) {
    std::error_code ignored;
    if (it->is_regular_file(ignored)) bytes += static_cast<int64_t>(it->file_size(ignored));
  }
  return bytes;
}

const google::protobuf::RepeatedPtrField<internal::TaskMember>& OthersOf(const internal::Task& task) {
  return task.has_evaluate() ? task.evaluate().others() : task.predict().others();
}

// What can be mapped: far above what the limit of private memory allows and the files take, as a limit of this kind has
// to be. None where private memory has no limit, or a sanitizer reserves terabytes.
int64_t AddressSpaceOf(const internal::Task& task) {
#ifdef TRAIND_SANITIZED
  return 0;
#endif
  rlimit data{};
  if (getrlimit(RLIMIT_DATA, &data) != 0 || data.rlim_cur == RLIM_INFINITY) return 0;
  int64_t files = BytesOf(task.weights_path());
  for (const internal::TaskMember& other : OthersOf(task)) files += BytesOf(other.weights_path());
  if (task.has_import()) {
    for (const internal::ResolvedFile& file : task.import().files()) {
      std::error_code error;  // Images of a folder are read one by one, not mapped.
      if (!fs::is_directory(file.path(), error)) files += BytesOf(file.path());
    }
  } else {
    files += BytesOf(task.dataset_dir());
  }
  return 2 * static_cast<int64_t>(data.rlim_cur) + kMappings * files + task.threads() * kAddressesOfThread +
         kAddressesOfProgram;
}

// No file is larger than the disk that holds it, nor than what the task may make. 0: none.
int64_t LargestFileOf(const internal::Task& task, const FileRules& rules) {
  if (rules.write.empty()) return 1;  // None at all: 0 means no limit.
  struct statvfs disk;
  int64_t largest = std::numeric_limits<int64_t>::max();
  if (statvfs(rules.write.front().c_str(), &disk) == 0 && disk.f_blocks > 0) {
    largest = static_cast<int64_t>(disk.f_blocks) * static_cast<int64_t>(disk.f_frsize);
  }
  if (task.import().max_bytes() > 0) largest = std::min(largest, task.import().max_bytes());
  return largest;
}

}  // namespace

absl::StatusOr<FileRules> FilesOf(const internal::Task& task) {
  FileRules rules;
  std::vector<std::string> read = {task.weights_path(), task.train().preprocessing_path(),
                                   task.evaluate().preprocessing_path(), task.predict().preprocessing_path()};
  for (const internal::TaskMember& other : OthersOf(task)) {
    read.insert(read.end(), {other.weights_path(), other.preprocessing_path()});
  }
  if (!task.has_import()) read.push_back(task.dataset_dir());
  for (const internal::ResolvedFile& file : task.import().files()) read.push_back(file.path());
  for (const std::string& path : read) {
    if (absl::Status status = AddRead(path, rules); !status.ok()) return status;
  }
  if (task.has_train()) {
    auto above = FolderOf(task.train().checkpoint_dir());
    if (!above.ok()) return above.status();
    rules.write.push_back(task.train().checkpoint_dir());
  }
  // What is made in the folder of an operation or of an import is renamed in it.
  if (task.has_import() || !task.predict().output_path().empty()) {
    auto folder = FolderOf(task.has_import() ? task.dataset_dir() : task.predict().output_path());
    if (!folder.ok()) return folder.status();
    rules.write.push_back(*std::move(folder));
  }
  if (task.has_import()) rules.read.insert(rules.read.end(), std::begin(kSystemData), std::end(kSystemData));
  rules.read.insert(rules.read.end(), std::begin(kOfReports), std::end(kOfReports));
  return rules;
}

absl::Status Confine(const internal::Task& task) {
  auto files = FilesOf(task);
  if (!files.ok()) return files.status();
  if (task.has_train()) {
    if (absl::Status status = core::CreateFolders(task.train().checkpoint_dir()); !status.ok()) return status;
  }
  SandboxRules rules;
  rules.files = *std::move(files);
  rules.socket = kWorkerSocketFd;
  rules.limits = {.address_space = AddressSpaceOf(task),
                  .file_size = LargestFileOf(task, rules.files),
                  .open_files = kOpenFiles,
                  .user_threads = kUserThreads};
  const absl::Status entered = EnterSandbox(rules);
  return entered.ok() ? entered : core::OfMachine(entered);
}

}  // namespace traind::server
