#include "server/services/download_call.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "server/resources/names.h"
#include "server/rpc/stream_call.h"
#include "server/services/weights.h"

namespace traind::server {
namespace {

constexpr int64_t kChunkBytes = 512 << 10;

class DownloadCall final : public StreamCall<v1::DownloadCheckpointResponse> {
 public:
  DownloadCall(const Entrance& entrance, const DataFolder& folder, grpc::CallbackServerContext& call,
               const v1::DownloadCheckpointRequest& request)
      : StreamCall(entrance, call), folder_(folder), request_(request) {
    Resume();
  }

 protected:
  const google::protobuf::Message& request() const override { return request_; }
  absl::StatusOr<Next> Advance(v1::DownloadCheckpointResponse& response) override {
    response.Clear();
    if (!begun_) {
      if (absl::Status status = Begin(response); !status.ok()) return status;
    } else if (offset_ == file_.size()) {
      return Next::kEnd;
    }
    begun_ = true;
    const int64_t size = std::min(kChunkBytes, file_.size() - offset_);
    response.set_chunk(file_.data().data() + offset_, static_cast<size_t>(size));
    offset_ += size;
    return Next::kWrite;
  }

 private:
  // Opens the file; the first response says what it is.
  absl::Status Begin(v1::DownloadCheckpointResponse& response) {
    auto weights = FindWeights(folder_, request_.name(), /*allow_job=*/false, "name");
    if (!weights.ok()) return weights.status();
    auto file = core::MappedFile::Open(weights->path);
    if (absl::IsNotFound(file.status())) return NotFoundError("Checkpoint", request_.name());  // Pruned just now.
    if (!file.ok()) return file.status();
    file_ = *std::move(file);
    if (file_.size() != weights->file.size_bytes()) {
      return absl::DataLossError(absl::StrCat(request_.name(), " has ", file_.size(), " bytes, its manifest says ",
                                              weights->file.size_bytes()));
    }
    if (request_.offset() < 0 || request_.offset() > file_.size()) {
      return absl::OutOfRangeError(
          absl::StrCat("offset ", request_.offset(), " is not in the file of ", file_.size(), " bytes"));
    }
    offset_ = request_.offset();
    response.set_size_bytes(file_.size());
    response.set_crc32(weights->file.crc32());
    return absl::OkStatus();
  }

  const DataFolder& folder_;
  const v1::DownloadCheckpointRequest request_;
  bool begun_ = false;
  core::MappedFile file_;
  int64_t offset_ = 0;
};

}  // namespace

grpc::ServerWriteReactor<v1::DownloadCheckpointResponse>* Download(const Entrance& entrance, const DataFolder& folder,
                                                                   grpc::CallbackServerContext* context,
                                                                   const v1::DownloadCheckpointRequest& request) {
  return new DownloadCall(entrance, folder, *context, request);
}

}  // namespace traind::server
