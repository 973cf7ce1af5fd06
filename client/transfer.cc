// Client's uploads and downloads.
#include <fcntl.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/client.h"
#include "client/connection.h"
#include "client/file.h"
#include "client/packed_folder.h"

namespace traind::client {
namespace {

constexpr int64_t kChunkBytes = 256 << 10;  // Of the 1 MiB that the API allows: smooth progress, little overhead.

void Report(const Progress& progress, int64_t done, int64_t total) {
  if (progress) progress(done, total);
}

// Bytes on their way out: those of a file, or of a folder as an archive.
struct Source {
  std::function<absl::Status(int64_t offset, size_t size, std::string* bytes)> read_at;
  int64_t size;
  std::string crc32;
};

absl::StatusOr<Source> OpenFolder(const std::string& path) {
  absl::StatusOr<PackedFolder> folder = PackedFolder::Open(path);
  if (!folder.ok()) return folder.status();
  absl::StatusOr<std::string> crc32 = folder->Crc32();
  if (!crc32.ok()) return crc32.status();
  const auto shared = std::make_shared<const PackedFolder>(*std::move(folder));
  return Source{.read_at = [shared](int64_t offset, size_t size,
                                    std::string* bytes) { return shared->ReadAt(offset, size, bytes); },
                .size = shared->size(),
                .crc32 = *std::move(crc32)};
}

absl::StatusOr<Source> OpenSource(const std::string& path) {
  absl::StatusOr<File> file = File::Open(path, O_RDONLY);
  if (!file.ok()) return file.status();
  const absl::StatusOr<int64_t> size = file->Size();
  if (!size.ok()) return size.status();
  absl::StatusOr<std::string> crc32 = file->Crc32();
  if (!crc32.ok()) return crc32.status();
  const auto shared = std::make_shared<const File>(*std::move(file));
  return Source{.read_at = [shared](int64_t offset, size_t bytes,
                                    std::string* out) { return shared->ReadAt(offset, bytes, out); },
                .size = *size,
                .crc32 = *std::move(crc32)};
}

// Writes the chunks from `offset` on. OK when all were written or the server hung up, which the stream's Finish
// explains.
template <typename Request, typename Response>
absl::Status WriteChunks(const Source& source, int64_t offset, WriteStream<Request, Response>& stream,
                         const Progress& progress) {
  Request request;
  while (offset < source.size) {
    const int64_t size = std::min(kChunkBytes, source.size - offset);
    if (absl::Status status = source.read_at(offset, static_cast<size_t>(size), request.mutable_chunk());
        !status.ok()) {
      return status;
    }
    if (static_cast<int64_t>(request.chunk().size()) != size) {
      return absl::AbortedError("the file became shorter while it was sent");
    }
    if (!stream.Write(request)) break;
    offset += size;
    Report(progress, offset, source.size);
  }
  return absl::OkStatus();
}

// One download: the part file and what is known of the whole.
class Download {
 public:
  Download(Connection& connection, File part, int64_t offset, const Progress& progress)
      : connection_(connection),
        part_(std::move(part)),
        offset_(offset),
        reused_(offset > 0),
        progress_(progress),
        backoff_(connection.options().stream_retry, connection.NextSeed()) {}

  // Brings the part file to the whole, checked and durable.
  absl::Status Run(const std::string& name) {
    while (true) {
      absl::Status status = Receive(name);
      // Bytes left by an earlier process may be of another checkpoint: the checksum or the size says so.
      if (reused_ && (absl::IsDataLoss(status) || absl::IsOutOfRange(status))) {
        if (status = Restart(); !status.ok()) return status;
        continue;
      }
      if (status.ok()) return part_.Sync();
      if (status = connection_.WaitAfter(status, backoff_); !status.ok()) return status;
    }
  }

  int64_t size() const { return size_; }
  int64_t received() const { return offset_; }

 private:
  absl::Status Restart() {
    offset_ = 0;
    reused_ = false;
    size_ = -1;
    return part_.Truncate();
  }

  // Reads one stream to its end and checks the result.
  absl::Status Receive(const std::string& name) {
    v1::DownloadCheckpointRequest request;
    request.set_name(name);
    request.set_offset(offset_);
    auto stream = connection_.stub().DownloadCheckpoint(request);
    v1::DownloadCheckpointResponse response;
    bool first = true;
    while (stream->Read(&response)) {
      if (first) {
        first = false;
        if (absl::Status status = Begin(response); !status.ok()) return status;
      }
      if (absl::Status status = part_.WriteAt(offset_, response.chunk()); !status.ok()) return status;
      offset_ += static_cast<int64_t>(response.chunk().size());
      if (!response.chunk().empty()) backoff_.Reset();
      Report(progress_, offset_, size_);
    }
    if (absl::Status status = stream->Finish(); !status.ok()) return status;
    if (offset_ != size_) {
      return absl::DataLossError(absl::StrCat(name, ": the server sent ", offset_, " bytes of ", size_));
    }
    const absl::StatusOr<std::string> crc32 = part_.Crc32();
    if (!crc32.ok()) return crc32.status();
    if (*crc32 == crc32_) return absl::OkStatus();
    return absl::DataLossError(absl::StrCat(name, ": the checksum is ", *crc32, ", the server announced ", crc32_));
  }

  // The first message of a stream announces the file. After a reconnection it must still be the same one: the name may
  // be "latest".
  absl::Status Begin(const v1::DownloadCheckpointResponse& response) {
    const bool changed = size_ >= 0 && (size_ != response.size_bytes() || crc32_ != response.crc32());
    size_ = response.size_bytes();
    crc32_ = response.crc32();
    Report(progress_, offset_, size_);
    if (!changed || offset_ == 0) return absl::OkStatus();
    reused_ = true;  // What was received belongs to the file before.
    return absl::DataLossError("the checkpoint changed during the download");
  }

  Connection& connection_;
  File part_;
  int64_t offset_;
  bool reused_;  // Bytes of the part file may belong to another checkpoint.
  const Progress& progress_;
  Backoff backoff_;
  int64_t size_ = -1;
  std::string crc32_;
};

}  // namespace

absl::StatusOr<v1::Upload> Client::UploadFile(const std::string& path, const Progress& progress) {
  std::error_code ignored;
  const absl::StatusOr<Source> source =
      std::filesystem::is_directory(path, ignored) ? OpenFolder(path) : OpenSource(path);
  if (!source.ok()) return source.status();
  const ClientOptions& options = connection_->options();
  // Two users who send the same file have an upload each: neither may read the other's.
  const std::string tag = CallerTag(options.credentials);
  const std::string id = absl::StrCat("crc-", source->crc32, "-size-", source->size, tag.empty() ? "" : "-of-", tag);
  Backoff backoff(options.stream_retry, connection_->NextSeed());
  int64_t committed_before = -1;
  while (true) {
    v1::GetUploadRequest get;
    get.set_name(absl::StrCat("uploads/", id));
    const absl::StatusOr<v1::Upload> known = connection_->Idempotent(&Stub::GetUpload, get, options.call_timeout);
    absl::Status status = known.status();
    if (known.ok() || absl::IsNotFound(status)) {
      const int64_t offset = known.ok() ? known->committed_bytes() : 0;
      Report(progress, offset, source->size);
      if (known.ok() && known->complete()) return *known;
      if (offset > committed_before) backoff.Reset();
      committed_before = offset;

      auto stream = connection_->stub().UploadDataset();
      v1::UploadDatasetRequest request;
      v1::UploadHeader& header = *request.mutable_header();
      header.set_upload_id(id);
      header.set_size_bytes(source->size);
      header.set_crc32(source->crc32);
      header.set_offset(offset);
      if (stream->Write(request)) {
        if (status = WriteChunks(*source, offset, *stream, progress); !status.ok()) return status;
      }
      absl::StatusOr<v1::Upload> upload = stream->Finish();
      if (upload.ok()) return upload;
      status = upload.status();
    }
    if (status = connection_->WaitAfter(status, backoff); !status.ok()) return status;
  }
}

absl::StatusOr<v1::Model> Client::UploadModel(v1::UploadModelHeader header, const std::string& path,
                                              const Progress& progress) {
  const absl::StatusOr<Source> source = OpenSource(path);
  if (!source.ok()) return source.status();
  header.set_size_bytes(source->size);
  header.set_crc32(source->crc32);
  if (header.request_id().empty()) header.set_request_id(NewRequestId());
  v1::UploadModelRequest request;
  *request.mutable_header() = std::move(header);
  Backoff backoff(connection_->options().stream_retry, connection_->NextSeed());
  while (true) {
    Report(progress, 0, source->size);
    auto stream = connection_->stub().UploadModel();
    if (stream->Write(request)) {
      if (absl::Status status = WriteChunks(*source, 0, *stream, progress); !status.ok()) return status;
    }
    absl::StatusOr<v1::Model> model = stream->Finish();
    if (model.ok()) return model;
    if (absl::Status status = connection_->WaitAfter(model.status(), backoff); !status.ok()) return status;
  }
}

absl::StatusOr<int64_t> Client::DownloadCheckpoint(const std::string& name, const std::string& path,
                                                   const Progress& progress) {
  absl::StatusOr<File> part = OpenPart(path);
  if (!part.ok()) return part.status();
  const std::string part_path = PartPath(path);
  const absl::StatusOr<int64_t> offset = part->Size();
  if (!offset.ok()) return offset.status();
  Download download(*connection_, *std::move(part), *offset, progress);
  if (absl::Status status = download.Run(name); !status.ok()) {
    // The part file stays, for another call to go on with.
    if (absl::IsDataLoss(status) || download.received() == 0) std::remove(part_path.c_str());
    return status;
  }
  if (absl::Status status = RenameDurably(part_path, path); !status.ok()) return status;
  return download.size();
}

}  // namespace traind::client
