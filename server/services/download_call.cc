#include "server/services/download_call.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "server/resources/names.h"
#include "server/rpc/status.h"
#include "server/rpc/unary_call.h"
#include "server/services/weights.h"

namespace traind::server {
namespace {

constexpr int64_t kChunkBytes = 512 << 10;

class DownloadCall : public grpc::ServerWriteReactor<v1::DownloadCheckpointResponse> {
 public:
  DownloadCall(Executor& executor, const DataFolder& folder, grpc::CallbackServerContext* context,
               const v1::DownloadCheckpointRequest& request)
      : executor_(executor), folder_(folder), context_(context), request_(request) {
    executor_.Submit([this] {
      const absl::Status status = Begin();
      if (!status.ok()) return End(status);
      Send();
    });
  }

  void OnWriteDone(bool ok) override {
    executor_.Submit([this, ok] {
      if (!ok) return End(absl::CancelledError("the caller has gone"));
      if (offset_ == file_.size()) return End(absl::OkStatus());
      response_.Clear();
      Send();
    });
  }
  void OnCancel() override {}  // The write under way ends with ok = false.
  void OnDone() override { delete this; }

 private:
  absl::Status Begin() {
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
    response_.set_size_bytes(file_.size());
    response_.set_crc32(weights->file.crc32());
    return absl::OkStatus();
  }

  void Send() {
    const int64_t size = std::min(kChunkBytes, file_.size() - offset_);
    response_.set_chunk(file_.data().data() + offset_, static_cast<size_t>(size));
    offset_ += size;
    StartWrite(&response_);
  }

  void End(const absl::Status& status) {
    LogCall(context_, status);
    Finish(ToGrpcStatus(status));  // The last touch: OnDone may delete this at once.
  }

  Executor& executor_;
  const DataFolder& folder_;
  grpc::CallbackServerContext* const context_;
  const v1::DownloadCheckpointRequest request_;
  core::MappedFile file_;
  int64_t offset_ = 0;
  v1::DownloadCheckpointResponse response_;
};

}  // namespace

grpc::ServerWriteReactor<v1::DownloadCheckpointResponse>* Download(Executor& executor, const DataFolder& folder,
                                                                   grpc::CallbackServerContext* context,
                                                                   const v1::DownloadCheckpointRequest& request) {
  return new DownloadCall(executor, folder, context, request);
}

}  // namespace traind::server
