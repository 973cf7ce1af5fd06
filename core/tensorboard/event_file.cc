#include "core/tensorboard/event_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "core/tensorboard/framing.h"
#include "core/tensorboard/records.h"

namespace traind::tensorboard {
namespace {

// Written at once; one event may be larger.
constexpr size_t kPieceBytes = 256 << 10;
constexpr size_t kUidBytes = 8;  // Of a uid, in the name of a folder.
constexpr char kRecordEnding[] = ".traind";
constexpr char kPredictionsEnding[] = ".predictions";

// The id in "jobs/{id}"; empty: what cannot be the name of a folder.
std::string IdOf(const v1::Job& job) {
  absl::string_view id = job.name();
  const bool named = absl::ConsumePrefix(&id, "jobs/") && !id.empty();
  const bool plain = std::all_of(id.begin(), id.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_';
  });
  return named && plain ? std::string(id) : "";
}

// Whether the folder has event files of another job than the one whose files begin with `stem`.
bool HoldsOthers(const std::string& folder, const std::string& stem) {
  std::error_code error;
  for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    const std::string other = entry->path().filename();
    const bool own = other == stem + kRecordEnding || other == stem + kPredictionsEnding;
    if (!own && absl::StrContains(other, "tfevents")) return true;
  }
  return false;
}

// Up to `size` more bytes behind those of `bytes`: how many; 0: the end of the file; -1: an error in errno.
ssize_t ReadMore(int descriptor, size_t size, std::string& bytes) {
  const size_t before = bytes.size();
  bytes.resize(before + size);
  const ssize_t got = read(descriptor, bytes.data() + before, size);
  bytes.resize(before + static_cast<size_t>(std::max<ssize_t>(got, 0)));
  return got;
}

}  // namespace

EventFile::EventFile(EventFile&& other) noexcept
    : path_(std::move(other.path_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      uid_(std::move(other.uid_)),
      last_sequence_(other.last_sequence_),
      begun_(other.begun_),
      unwritten_(std::move(other.unwritten_)) {}

EventFile::~EventFile() {
  if (descriptor_ >= 0) close(descriptor_);
}

absl::Status EventFile::Error(const char* action) const {
  return absl::ErrnoToStatus(errno, absl::StrCat("cannot ", action, " ", path_));
}

std::string EventFile::predictions_path() const {
  return absl::StrCat(absl::StripSuffix(path_, kRecordEnding), kPredictionsEnding);
}

absl::StatusOr<EventFile> EventFile::Open(const std::string& folder, const v1::Job& job) {
  const std::string id = IdOf(job);
  if (id.empty()) return absl::InvalidArgumentError(absl::StrCat("\"", job.name(), "\" is no name of a job"));
  for (const std::string& run : {id, absl::StrCat(id, "-", job.uid().substr(0, kUidBytes))}) {
    const std::string path = absl::StrCat(folder, "/", run);
    std::error_code error;
    std::filesystem::create_directories(path, error);
    if (error) return absl::ErrnoToStatus(error.value(), absl::StrCat("cannot make the folder ", path));
    const std::string stem = absl::StrCat("events.out.tfevents.", job.create_time().seconds());
    if (HoldsOthers(path, stem)) continue;
    const std::string file_path = absl::StrCat(path, "/", stem, kRecordEnding);
    EventFile file(file_path, open(file_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666), job.uid());
    if (file.descriptor_ < 0) return file.Error("open");
    if (flock(file.descriptor_, LOCK_EX | LOCK_NB) != 0) {
      return absl::AbortedError(absl::StrCat("another program writes ", file_path));
    }
    const absl::StatusOr<bool> own = file.Mend();
    if (!own.ok()) return own.status();
    if (!*own) continue;
    if (!file.begun_) file.unwritten_ = BeginRecords(job);
    return file;
  }
  return absl::AlreadyExistsError(absl::StrCat(folder, "/", id, " holds files of another job of this name: remove it"));
}

absl::StatusOr<bool> EventFile::Mend() {
  struct stat status;
  if (fstat(descriptor_, &status) != 0) return Error("look at");
  if (!S_ISREG(status.st_mode)) return absl::InvalidArgumentError(absl::StrCat(path_, " is no regular file"));
  off_t sound = 0;
  std::string bytes;
  ssize_t got = 0;
  // What is not yet a whole record is read on, up to the longest one.
  while (bytes.size() <= kMaxRecordBytes + kFrameBytes && (got = ReadMore(descriptor_, kPieceBytes, bytes)) > 0) {
    absl::string_view rest = bytes, record;
    while (TakeFramed(rest, record)) {
      const int64_t sequence = SequenceOf(record, uid_);
      if (sequence < 0) return false;
      last_sequence_ = std::max(last_sequence_, sequence);
      begun_ = true;
    }
    sound += static_cast<off_t>(bytes.size() - rest.size());
    bytes.erase(0, bytes.size() - rest.size());
  }
  if (got < 0) return Error("read");
  // A beginning that is not whole is written anew.
  if (last_sequence_ == 0) {
    sound = 0;
    begun_ = false;
  }
  if (ftruncate(descriptor_, sound) != 0) return Error("mend");
  if (lseek(descriptor_, sound, SEEK_SET) < 0) return Error("mend");
  return true;
}

absl::Status EventFile::Append(const v1::Event& event) {
  if (event.sequence() <= last_sequence_) return absl::OkStatus();
  last_sequence_ = event.sequence();
  unwritten_ += RecordOf(event, uid_);
  return unwritten_.size() < kPieceBytes ? absl::OkStatus() : Flush();
}

absl::Status EventFile::Flush() {
  absl::string_view rest = unwritten_;
  while (!rest.empty()) {
    const ssize_t written = write(descriptor_, rest.data(), rest.size());
    if (written < 0 && errno != EINTR) {
      const absl::Status status = Error("write");
      unwritten_.erase(0, unwritten_.size() - rest.size());
      return status;
    }
    if (written > 0) rest.remove_prefix(static_cast<size_t>(written));
  }
  unwritten_.clear();
  begun_ = true;
  return absl::OkStatus();
}

}  // namespace traind::tensorboard
