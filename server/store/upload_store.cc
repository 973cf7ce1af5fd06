#include "server/store/upload_store.h"

#include <sys/stat.h>

#include <optional>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "core/base/checksum.h"
#include "core/base/errors.h"
#include "core/base/file.h"
#include "core/base/uid.h"
#include "google/protobuf/util/time_util.h"
#include "server/resources/etag.h"
#include "server/resources/names.h"

namespace traind::server {
namespace {

using google::protobuf::util::TimeUtil;

constexpr char kData[] = "/data";
constexpr char kHeader[] = "/upload.pb";
constexpr char kRecord[] = "/record.pb";
constexpr char kComplete[] = "/complete";  // Empty; there when the checksum was found right.

absl::StatusOr<v1::UploadHeader> ReadHeader(const std::string& dir, const std::string& id) {
  auto bytes = core::ReadFile(dir + kHeader, 1 << 16);
  if (absl::IsNotFound(bytes.status())) return NotFoundError("Upload", absl::StrCat("uploads/", id));
  if (!bytes.ok()) return bytes.status();
  v1::UploadHeader header;
  if (!header.ParseFromString(*bytes)) return absl::DataLossError(absl::StrCat("uploads/", id, " is damaged"));
  return header;
}

absl::Status BeingWritten(const std::string& id) {
  return absl::AbortedError(absl::StrCat("a stream writes to uploads/", id));
}

absl::Status WriteRecord(const std::string& dir, const std::string& owner) {
  v1::Upload record;
  record.set_owner(owner);
  record.set_uid(core::NewUid());
  *record.mutable_create_time() = TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(absl::Now()));
  return core::AtomicWrite(dir + kRecord, record.SerializeAsString());
}

// When the file was written last; 1970 without it.
google::protobuf::Timestamp WriteTime(const std::string& path) {
  struct stat info;
  if (stat(path.c_str(), &info) != 0) return {};
  return TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(absl::TimeFromTimespec(info.st_mtim)));
}

// uid and create_time; derived for an upload that was begun before there were records.
v1::Upload ReadRecord(const std::string& dir, const v1::UploadHeader& header) {
  v1::Upload record;
  auto bytes = core::ReadFile(dir + kRecord, 1 << 16);
  if (bytes.ok() && record.ParseFromString(*bytes) && !record.uid().empty()) return record;
  record.Clear();
  record.set_uid(
      core::DerivedUid(absl::StrCat("uploads/", header.upload_id(), " ", header.crc32(), " ", header.size_bytes())));
  *record.mutable_create_time() = WriteTime(dir + kHeader);
  return record;
}

}  // namespace

class UploadStore::Sink : public UploadSink {
 public:
  Sink(UploadStore* store, v1::UploadHeader header, std::string dir)
      : store_(store), header_(std::move(header)), dir_(std::move(dir)), written_(header_.offset()) {}
  ~Sink() override {
    // A broken stream: keep what came. If that fails the client sends it again.
    if (file_.has_value()) Commit().IgnoreError();
    absl::MutexLock lock(&store_->mu_);
    store_->writing_.erase(header_.upload_id());
  }

  absl::Status Open() {
    auto file = core::OutputFile::Resume(dir_ + kData, header_.offset());
    if (!file.ok()) return file.status();
    file_.emplace(*std::move(file));
    return absl::OkStatus();
  }

  absl::Status Write(absl::string_view chunk) override {
    if (absl::Status status = CheckChunk(chunk, written_, header_.size_bytes()); !status.ok()) return status;
    if (absl::Status status = file_->Append({chunk.data(), chunk.size()}); !status.ok()) return status;
    written_ += static_cast<int64_t>(chunk.size());
    return written_ - header_.offset() >= store_->commit_bytes_ ? Commit() : absl::OkStatus();
  }

  absl::Status Finish() override {
    if (absl::Status status = Commit(); !status.ok()) return status;
    if (written_ < header_.size_bytes()) {
      return FieldError("chunk", absl::StrCat("the stream ended after ", written_, " of ", header_.size_bytes(),
                                              " bytes; go on from there"));
    }
    file_.reset();
    std::string found;
    {
      auto data = core::MappedFile::Open(dir_ + kData);
      if (!data.ok()) return data.status();
      found = core::Crc32Hex(data->data());
    }
    if (found != header_.crc32()) {
      if (absl::Status status = store_->Remove(header_.upload_id()); !status.ok()) return status;
      return absl::DataLossError(absl::StrCat("the bytes of uploads/", header_.upload_id(), " have the crc32 ", found,
                                              ", the header said ", header_.crc32(), "; the upload was discarded"));
    }
    return core::AtomicWrite(dir_ + kComplete, "");
  }

 private:
  // The data first, then the offset that vouches for it.
  absl::Status Commit() {
    if (absl::Status status = file_->Sync(); !status.ok()) return status;
    v1::UploadHeader header = header_;
    header.set_offset(written_);
    if (absl::Status status = core::AtomicWrite(dir_ + kHeader, header.SerializeAsString()); !status.ok()) {
      return status;
    }
    header_ = std::move(header);
    return absl::OkStatus();
  }

  UploadStore* const store_;
  v1::UploadHeader header_;  // Its offset: what is committed.
  const std::string dir_;
  int64_t written_;
  std::optional<core::OutputFile> file_;
};

absl::StatusOr<std::unique_ptr<UploadSink>> UploadStore::Begin(const v1::UploadHeader& header,
                                                               const std::string& owner) {
  core::FieldErrors::Root errors;
  const core::FieldErrors scope = errors.scope("header");
  CheckId(header.upload_id(), scope.At("upload_id"));
  CheckBytes(header.size_bytes(), header.crc32(), scope);
  if (header.offset() < 0) scope.At("offset").Add("must not be negative");
  if (!errors.ok()) return errors.ToStatus();

  v1::UploadHeader wanted = header;
  wanted.set_crc32(absl::AsciiStrToLower(header.crc32()));
  const std::string& id = header.upload_id();
  {
    absl::MutexLock lock(&mu_);
    if (!writing_.insert(id).second) return BeingWritten(id);
  }
  const std::string dir = folder_->Item("uploads", id);
  auto sink = std::make_unique<Sink>(this, wanted, dir);  // Gives the id free at its end.
  auto before = ReadHeader(dir, id);
  if (!before.ok() && !absl::IsNotFound(before.status())) return before.status();
  const bool same = before.ok() && before->size_bytes() == wanted.size_bytes() && before->crc32() == wanted.crc32();
  if (same && Get(id).value_or(v1::Upload()).complete()) {
    return AlreadyExistsError("Upload", absl::StrCat("uploads/", id));
  }
  if (before.ok() && !same) {
    if (wanted.offset() > 0) {
      return absl::FailedPreconditionError(
          absl::StrCat("uploads/", id, " was begun with another size or checksum; begin again at offset 0"));
    }
    if (absl::Status status = Remove(id); !status.ok()) return status;
  }
  const int64_t committed = same ? before->offset() : 0;
  if (wanted.offset() > committed) {
    return absl::OutOfRangeError(
        absl::StrCat("offset ", wanted.offset(), " is past the committed ", committed, " bytes of uploads/", id));
  }
  if (absl::Status status = core::CreateFolders(dir); !status.ok()) return status;
  if (!same) {
    if (absl::Status status = WriteRecord(dir, owner); !status.ok()) return status;
  }
  // The offset goes back before the bytes go away.
  if (absl::Status status = core::AtomicWrite(dir + kHeader, wanted.SerializeAsString()); !status.ok()) return status;
  if (absl::Status status = sink->Open(); !status.ok()) return status;
  return sink;
}

absl::StatusOr<v1::Upload> UploadStore::Get(const std::string& id) const {
  const std::string dir = folder_->Item("uploads", id);
  auto header = ReadHeader(dir, id);
  if (!header.ok()) return header.status();
  v1::Upload upload = ReadRecord(dir, *header);
  upload.set_name(absl::StrCat("uploads/", id));
  upload.set_size_bytes(header->size_bytes());
  upload.set_committed_bytes(header->offset());
  upload.set_complete(core::ReadFile(dir + kComplete, 0).ok());
  // The header is written with every commit.
  *upload.mutable_update_time() = WriteTime(dir + kHeader);
  upload.set_etag(EtagOf(upload));
  return upload;
}

absl::Status UploadStore::Delete(const std::string& id, const std::string& etag) {
  {
    absl::MutexLock lock(&mu_);
    if (!writing_.insert(id).second) return BeingWritten(id);
  }
  const absl::Cleanup free = [&] {
    absl::MutexLock lock(&mu_);
    writing_.erase(id);
  };
  // One that is damaged may go, too; it has no etag.
  auto upload = Get(id);
  if (absl::IsNotFound(upload.status()) && !folder_->Exists("uploads", id)) return upload.status();
  if (upload.ok()) {
    if (absl::Status status = CheckEtag(etag, upload->etag(), upload->name()); !status.ok()) return status;
  }
  return Remove(id);
}

absl::StatusOr<std::string> UploadStore::CompletePath(const std::string& id) const {
  auto upload = Get(id);
  if (!upload.ok()) return upload.status();
  if (!upload->complete()) {
    return absl::FailedPreconditionError(absl::StrCat(upload->name(), " is not complete: ", upload->committed_bytes(),
                                                      " of ", upload->size_bytes(), " bytes"));
  }
  return folder_->Item("uploads", id) + kData;
}

}  // namespace traind::server
