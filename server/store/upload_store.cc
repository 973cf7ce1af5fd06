#include "server/store/upload_store.h"

#include <sys/stat.h>

#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "core/base/checksum.h"
#include "core/base/errors.h"
#include "core/base/file.h"
#include "server/resources/names.h"

namespace traind::server {
namespace {

constexpr char kData[] = "/data";
constexpr char kHeader[] = "/upload.pb";
constexpr char kComplete[] = "/complete";  // Empty; there when the checksum was found right.

absl::StatusOr<v1::UploadHeader> ReadHeader(const std::string& dir, const std::string& id) {
  auto bytes = core::ReadFile(dir + kHeader, 1 << 16);
  if (absl::IsNotFound(bytes.status())) return NotFoundError("Upload", absl::StrCat("uploads/", id));
  if (!bytes.ok()) return bytes.status();
  v1::UploadHeader header;
  if (!header.ParseFromString(*bytes)) return absl::DataLossError(absl::StrCat("uploads/", id, " is damaged"));
  return header;
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

absl::StatusOr<std::unique_ptr<UploadSink>> UploadStore::Begin(const v1::UploadHeader& header) {
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
    if (!writing_.insert(id).second) {
      return absl::AbortedError(absl::StrCat("another stream writes to uploads/", id));
    }
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
  // The offset goes back before the bytes go away.
  if (absl::Status status = core::AtomicWrite(dir + kHeader, wanted.SerializeAsString()); !status.ok()) return status;
  if (absl::Status status = sink->Open(); !status.ok()) return status;
  return sink;
}

absl::StatusOr<v1::Upload> UploadStore::Get(const std::string& id) const {
  const std::string dir = folder_->Item("uploads", id);
  auto header = ReadHeader(dir, id);
  if (!header.ok()) return header.status();
  v1::Upload upload;
  upload.set_name(absl::StrCat("uploads/", id));
  upload.set_size_bytes(header->size_bytes());
  upload.set_committed_bytes(header->offset());
  upload.set_complete(core::ReadFile(dir + kComplete, 0).ok());
  return upload;
}

absl::Status UploadStore::RemoveAbandoned(DataFolder& folder, absl::Time before) {
  auto ids = folder.List("uploads");
  if (!ids.ok()) return ids.status();
  for (const std::string& id : *ids) {
    const std::string dir = folder.Item("uploads", id);
    struct stat info;
    // The header is written with every commit; a crash at the very beginning leaves the folder alone.
    if (stat((dir + kHeader).c_str(), &info) != 0 && stat(dir.c_str(), &info) != 0) continue;
    if (absl::TimeFromTimespec(info.st_mtim) >= before) continue;
    if (absl::Status status = folder.Remove("uploads", id); !status.ok()) return status;
  }
  return absl::OkStatus();
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
