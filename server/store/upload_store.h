// Files on their way to the server: uploads/{id}/ holds `data`, `upload.pb` (v1::UploadHeader, whose offset is what is
// committed: durable on disk) and `record.pb` (v1::Upload: its uid and create_time; absent before 0.3). A broken stream
// goes on from there, after any crash. Thread-safe; each upload has at most one writer.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/store/data_folder.h"
#include "server/store/upload_sink.h"
#include "traind/v1/dataset.pb.h"
#include "traind/v1/dataset_service.pb.h"

namespace traind::server {

class UploadStore {
 public:
  // `folder` outlives this. Data becomes durable at least every `commit_bytes`.
  explicit UploadStore(DataFolder* folder, int64_t commit_bytes = 16 << 20)
      : folder_(folder), commit_bytes_(commit_bytes) {}

  // Starts an upload, or goes on with it. OUT_OF_RANGE: the offset is past what is committed. ALREADY_EXISTS: it is
  // complete. FAILED_PRECONDITION: it was begun with another size or checksum, and the offset is not 0. ABORTED:
  // another stream writes to it. The sink's end gives DATA_LOSS when the checksum is wrong; then the upload is
  // discarded. A dropped sink leaves what it has written. A new one is the owner's.
  absl::StatusOr<std::unique_ptr<UploadSink>> Begin(const v1::UploadHeader& header, const std::string& owner = "");
  absl::StatusOr<v1::Upload> Get(const std::string& id) const;  // NOT_FOUND.
  // The ids of all of them.
  absl::StatusOr<std::vector<std::string>> List() const { return folder_->List("uploads"); }
  // The file of a complete upload; FAILED_PRECONDITION before that.
  absl::StatusOr<std::string> CompletePath(const std::string& id) const;
  absl::Status Remove(const std::string& id) { return folder_->Remove("uploads", id); }
  // As a client asks for it, or a rule of retention. NOT_FOUND. ABORTED: a stream writes to it, or it has another etag
  // than the one given.
  absl::Status Delete(const std::string& id, const std::string& etag);

 private:
  class Sink;

  DataFolder* const folder_;
  const int64_t commit_bytes_;
  mutable absl::Mutex mu_;
  std::set<std::string> writing_ ABSL_GUARDED_BY(mu_);
};

}  // namespace traind::server
