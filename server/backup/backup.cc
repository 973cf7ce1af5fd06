#include "server/backup/backup.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <iterator>
#include <system_error>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "core/base/file.h"
#include "nlohmann/json.hpp"
#include "server/backup/file_taker.h"
#include "server/backup/store_copy.h"
#include "server/backup/sums.h"
#include "server/resources/job_state.h"
#include "traind/version.h"

namespace traind::server {
namespace {

namespace fs = std::filesystem;

constexpr char kInfoFile[] = "backup.json";
constexpr char kStoreFile[] = "traind.db";
constexpr const char* kCollections[] = {"datasets", "models", "uploads", "operations", "jobs"};
// Jobs may be made and get on so fast that their first files are gone before they are linked; hardly twice in a row.
constexpr int kRounds = 5;
constexpr int64_t kLargestList = int64_t{1} << 30;
constexpr int64_t kLargestInfo = 1 << 16;
constexpr size_t kMostNamed = 5;
constexpr absl::Duration kBetweenLines = absl::Seconds(2);

absl::StatusOr<bool> IsEmptyOrAbsent(const std::string& dir) {
  std::error_code error;
  if (!fs::exists(dir, error) && !error) return true;
  const bool empty = !error && fs::is_empty(dir, error);
  if (error) return core::ErrnoStatus(error.value(), "read", dir);
  return empty;
}

std::string Mebibytes(int64_t bytes) { return absl::StrFormat("%.1f MiB", static_cast<double>(bytes) / (1 << 20)); }

// One line every two seconds.
class Ticker {
 public:
  Ticker(std::string what, int64_t total, const TellProgress& tell)
      : what_(std::move(what)), total_(total), tell_(tell), next_(absl::Now() + kBetweenLines) {}
  void Add(int64_t bytes) {
    done_ += bytes;
    if (absl::Now() < next_) return;
    next_ = absl::Now() + kBetweenLines;
    tell_(absl::StrCat(what_, ": ", Mebibytes(done_), " of ", Mebibytes(total_)));
  }

 private:
  const std::string what_;
  const int64_t total_;
  const TellProgress& tell_;
  absl::Time next_;
  int64_t done_ = 0;
};

int64_t BytesOf(const std::map<std::string, int64_t>& files) {
  int64_t bytes = 0;
  for (const auto& [path, size] : files) bytes += size;
  return bytes;
}

// Everything that was written to the disk of the folder.
absl::Status SyncDisk(const std::string& dir) {
  const int fd = open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return core::ErrnoStatus(errno, "open", dir);
  const int error = syncfs(fd) == 0 ? 0 : errno;
  close(fd);
  return error == 0 ? absl::OkStatus() : core::ErrnoStatus(error, "sync", dir);
}

absl::Status CheckFolders(const std::string& data_dir, const std::string& dir) {
  std::error_code error;
  if (!fs::is_regular_file(absl::StrCat(data_dir, "/", kStoreFile), error)) {
    return absl::FailedPreconditionError(
        absl::StrCat(data_dir, " is no data folder: it has no ", kStoreFile, "; say which with --data-dir"));
  }
  const auto empty = IsEmptyOrAbsent(dir);
  if (!empty.ok()) return empty.status();
  if (!*empty) {
    return absl::FailedPreconditionError(absl::StrCat(dir, " is not empty: each backup wants a folder of its own"));
  }
  const std::string absolute = fs::absolute(dir, error).lexically_normal().string() + "/";
  for (const char* own : {"datasets", "models", "uploads", "operations", "jobs", "trash"}) {
    const std::string taken = fs::absolute(data_dir + "/" + own, error).lexically_normal().string() + "/";
    if (absl::StartsWith(absolute, taken)) {
      return absl::FailedPreconditionError(absl::StrCat(dir, " is in a folder of the server's own, ", taken));
    }
  }
  return absl::OkStatus();
}

// The files that the store's moment needs and that were not there when the first ones were taken. Whether they are
// whole; false: a job's are gone already.
absl::StatusOr<bool> TakeWhatCameMeanwhile(FileTaker& files, const StoreContent& store) {
  for (const char* collection : kCollections) {
    if (std::string(collection) == "jobs") continue;
    if (absl::Status status = files.TakeCollection(collection); !status.ok()) return status;
  }
  for (const StoreContent::JobRow& job : store.jobs) {
    if (absl::Status status = files.TakeJob(job.id, job.checkpoint_step); !status.ok()) return status;
    if (IsTerminal(job.state) || job.checkpoint_step == 0) continue;
    const auto has = files.HasCheckpoint(job.id, job.checkpoint_step);
    if (!has.ok() || !*has) return has;
  }
  return true;
}

// Files first, then the store, then what the store knows beyond: so each job has a checkpoint that is not ahead of its
// events, as after a crash.
absl::StatusOr<StoreContent> TakeAll(const std::string& data_dir, const std::string& dir, const TellProgress& tell) {
  FileTaker files(data_dir, dir);
  const std::string store = absl::StrCat(dir, "/", kStoreFile);
  for (int round = 0; round < kRounds; ++round) {
    for (const char* collection : kCollections) {
      if (absl::Status status = files.TakeCollection(collection); !status.ok()) return status;
    }
    tell(absl::StrCat("took ", files.taken(), " files; copying the store"));
    absl::Status status = core::RemoveAll(store);
    if (status.ok()) status = CopyStore(absl::StrCat(data_dir, "/", kStoreFile), store);
    if (!status.ok()) return status;
    auto content = ReadStoreCopy(store);
    if (!content.ok()) return content;
    auto whole = TakeWhatCameMeanwhile(files, *content);
    if (!whole.ok()) return whole.status();
    if (!*whole) continue;
    std::vector<std::string> jobs;
    for (const StoreContent::JobRow& job : content->jobs) jobs.push_back(job.id);
    status = files.Keep("jobs", jobs);
    if (status.ok()) status = files.Keep("operations", content->operations);
    if (!status.ok()) return status;
    return content;
  }
  return absl::UnavailableError("jobs get on faster than their checkpoints can be linked; try again");
}

absl::StatusOr<Sums> SumsOf(const std::string& dir, const std::map<std::string, int64_t>& files,
                            const TellProgress& tell) {
  Ticker ticker("checksums", BytesOf(files), tell);
  Sums sums;
  for (const auto& [path, bytes] : files) {
    auto sum = Sha256OfFile(absl::StrCat(dir, "/", path), [&](const char*, size_t size) {
      ticker.Add(static_cast<int64_t>(size));
      return absl::OkStatus();
    });
    if (!sum.ok()) return sum.status();
    sums[path] = *std::move(sum);
  }
  return sums;
}

absl::StatusOr<Sums> ReadSums(const std::string& dir) {
  auto text = core::ReadFile(absl::StrCat(dir, "/", kSumsFile), kLargestList);
  if (absl::IsNotFound(text.status())) {
    return absl::FailedPreconditionError(
        absl::StrCat(dir, " is no whole backup: it has no ", kSumsFile, ", which is written last"));
  }
  if (!text.ok()) return text.status();
  return ParseSums(*text);
}

absl::StatusOr<BackupSummary> ReadInfo(const std::string& dir) {
  auto text = core::ReadFile(absl::StrCat(dir, "/", kInfoFile), kLargestInfo);
  if (!text.ok()) return text.status();
  const auto info = nlohmann::json::parse(*text, nullptr, /*allow_exceptions=*/false);
  BackupSummary summary;
  if (!info.is_object()) return absl::DataLossError(absl::StrCat(dir, "/", kInfoFile, " is damaged"));
  const auto number = [&](const char* name) {
    return info.contains(name) && info[name].is_number_integer() ? info[name].get<int64_t>() : 0;
  };
  const auto words = [&](const char* name) {
    return info.contains(name) && info[name].is_string() ? info[name].get<std::string>() : "";
  };
  summary.jobs = number("jobs");
  summary.schema = number("schema");
  summary.version = words("version");
  summary.time = words("time");
  return summary;
}

absl::Status Damage(const std::string& dir, const std::vector<std::string>& damaged) {
  if (damaged.empty()) return absl::OkStatus();
  const size_t named = std::min(damaged.size(), kMostNamed);
  return absl::DataLossError(
      absl::StrCat(dir, " is damaged: ", absl::StrJoin(damaged.begin(), damaged.begin() + named, ", "),
                   named < damaged.size() ? absl::StrCat(" and ", damaged.size() - named, " more files") : ""));
}

// Copies the file, or says that it is not the one of the list.
absl::Status CopyChecked(const std::string& from, const std::string& to, const std::string& sum, Ticker& ticker) {
  if (absl::Status status = core::CreateFolders(fs::path(to).parent_path().string()); !status.ok()) return status;
  auto file = core::OutputFile::Create(to);
  if (!file.ok()) return file.status();
  const auto found = Sha256OfFile(from, [&](const char* data, size_t size) {
    ticker.Add(static_cast<int64_t>(size));
    return file->Append({data, size});
  });
  if (!found.ok()) return found.status();
  if (*found != sum) return absl::DataLossError(absl::StrCat(from, " is damaged: it has another checksum"));
  return file->Close();
}

}  // namespace

absl::StatusOr<BackupSummary> MakeBackup(const std::string& data_dir, const std::string& dir,
                                         const TellProgress& tell) {
  absl::Status status = CheckFolders(data_dir, dir);
  if (status.ok()) status = core::CreateFolders(dir);
  if (!status.ok()) return status;
  auto store = TakeAll(data_dir, dir, tell);
  if (!store.ok()) return store.status();
  BackupSummary summary;
  summary.jobs = static_cast<int64_t>(store->jobs.size());
  summary.version = store->version;
  summary.schema = store->schema;
  summary.time = absl::FormatTime(absl::RFC3339_sec, absl::Now(), absl::UTCTimeZone());
  const nlohmann::ordered_json info = {{"time", summary.time},     {"version", summary.version},
                                       {"schema", summary.schema}, {"jobs", summary.jobs},
                                       {"data_dir", data_dir},     {"made_by", absl::StrCat("traind ", kVersion)}};
  const std::string text = info.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  if (status = core::WriteFile(absl::StrCat(dir, "/", kInfoFile), text + "\n"); !status.ok()) return status;
  const auto files = FilesBelow(dir);
  if (!files.ok()) return files.status();
  summary.files = static_cast<int64_t>(files->size());
  summary.bytes = BytesOf(*files);
  auto sums = SumsOf(dir, *files, tell);
  if (!sums.ok()) return sums.status();
  if (status = SyncDisk(dir); !status.ok()) return status;
  status = core::AtomicWrite(absl::StrCat(dir, "/", kSumsFile), SumsText(*sums));
  if (!status.ok()) return status;
  return summary;
}

absl::StatusOr<BackupSummary> VerifyBackup(const std::string& dir, const TellProgress& tell) {
  const auto wanted = ReadSums(dir);
  if (!wanted.ok()) return wanted.status();
  const auto files = FilesBelow(dir);
  if (!files.ok()) return files.status();
  const auto found = SumsOf(dir, *files, tell);
  if (!found.ok()) return found.status();
  std::vector<std::string> damaged;
  for (const auto& [path, sum] : *wanted) {
    const auto there = found->find(path);
    if (there == found->end()) {
      damaged.push_back(path + " is missing");
    } else if (there->second != sum) {
      damaged.push_back(path + " has another checksum");
    }
  }
  for (const auto& [path, sum] : *found) {
    if (wanted->count(path) == 0) damaged.push_back(path + " is not of the backup");
  }
  absl::Status status = Damage(dir, damaged);
  if (status.ok()) status = CheckStoreCopy(absl::StrCat(dir, "/", kStoreFile));
  if (!status.ok()) return status;
  auto summary = ReadInfo(dir);
  if (!summary.ok()) return summary;
  summary->files = static_cast<int64_t>(files->size());
  summary->bytes = BytesOf(*files);
  return summary;
}

absl::StatusOr<BackupSummary> RestoreBackup(const std::string& dir, const std::string& data_dir,
                                            const TellProgress& tell) {
  const auto sums = ReadSums(dir);
  if (!sums.ok()) return sums.status();
  auto summary = ReadInfo(dir);
  if (!summary.ok()) return summary;
  const auto empty = IsEmptyOrAbsent(data_dir);
  if (!empty.ok()) return empty.status();
  if (!*empty) {
    return absl::FailedPreconditionError(
        absl::StrCat(data_dir, " is not empty: a backup is restored into a new folder"));
  }
  const auto files = FilesBelow(dir);
  if (!files.ok()) return files.status();
  // Beside where it goes, so that a restore that was interrupted is no data folder to start a server on.
  const std::string unfinished = data_dir + "/restoring";
  Ticker ticker("restored", BytesOf(*files), tell);
  for (const auto& [path, sum] : *sums) {
    if (path == kInfoFile) continue;
    const std::string to = absl::StrCat(unfinished, "/", path);
    if (absl::Status status = CopyChecked(absl::StrCat(dir, "/", path), to, sum, ticker); !status.ok()) return status;
    ++summary->files;
  }
  absl::Status status = CheckStoreCopy(absl::StrCat(unfinished, "/", kStoreFile));
  if (status.ok()) status = SyncDisk(unfinished);
  if (!status.ok()) return status;
  auto names = NamesBelow(unfinished);
  if (!names.ok()) return names.status();
  // The store last.
  std::partition(names->begin(), names->end(), [](const std::string& name) { return name != kStoreFile; });
  for (const std::string& name : *names) {
    status = core::Rename(absl::StrCat(unfinished, "/", name), absl::StrCat(data_dir, "/", name));
    if (!status.ok()) return status;
  }
  summary->bytes = BytesOf(*files);
  if (status = core::RemoveAll(unfinished); !status.ok()) return status;
  return summary;
}

}  // namespace traind::server
