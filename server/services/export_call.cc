#include "server/services/export_call.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/checksum.h"
#include "core/job/resolve_data.h"
#include "core/onnx/export.h"
#include "server/resources/names.h"
#include "server/rpc/stream_call.h"
#include "server/services/ensembles.h"
#include "server/services/inference.h"

namespace traind::server {
namespace {

constexpr size_t kExportChunkBytes = 512 << 10;

// Where the file comes from, for who finds it years later.
core::onnx::ExportRequest ExportRequestOf(const Trained& trained) {
  core::onnx::ExportRequest request{
      .spec = trained.spec,
      .stored = core::StoredShape(trained.spec),
      .weights_path = trained.weights_path,
      .preprocessing_path = trained.preprocessing_path,
      .class_names = {},
      .metadata = {
          {"traind.model", trained.name}, {"traind.job", trained.job.name()}, {"traind.job_uid", trained.job.uid()}}};
  if (trained.trained_on.has_value()) {
    const auto& names = trained.trained_on->class_names();
    request.class_names.assign(names.begin(), names.end());
    request.metadata["traind.dataset"] = trained.trained_on->dataset();
  }
  return request;
}

class ExportCall final : public StreamCall<v1::ExportModelResponse> {
 public:
  ExportCall(const Backend& backend, grpc::CallbackServerContext& call, const v1::ExportModelRequest& request)
      : StreamCall(*backend.files, call), backend_(backend), request_(request) {
    Resume();
  }

 protected:
  const google::protobuf::Message& request() const override { return request_; }
  absl::StatusOr<Next> Advance(v1::ExportModelResponse& response) override {
    response.Clear();
    if (!file_.has_value()) {
      if (absl::Status status = Begin(response); !status.ok()) return status;
    } else if (sent_ == file_->size()) {
      return Next::kEnd;
    }
    response.set_chunk(file_->Next(kExportChunkBytes));
    sent_ += static_cast<int64_t>(response.chunk().size());
    crc32_.Update(response.chunk());
    if (sent_ == file_->size()) response.set_crc32(crc32_.hex());
    return Next::kWrite;
  }

 private:
  // Makes the file; the first response says what it is.
  absl::Status Begin(v1::ExportModelResponse& response) {
    if (!v1::ExportModelRequest::Format_IsValid(request_.format())) {
      return FieldError("format", absl::StrCat("must be ONNX, not ", static_cast<int>(request_.format())));
    }
    const auto trained = FindTrained(request_.model(), backend_);
    if (!trained.ok()) return trained.status();
    if (!trained->others.empty()) return NoWeights(trained->name, "model.model");
    auto file = core::onnx::File::Make(ExportRequestOf(*trained));
    if (!file.ok()) return file.status();
    file_.emplace(*std::move(file));
    response.set_model(trained->name);
    response.set_size_bytes(file_->size());
    for (const std::string& note : file_->notes()) response.add_notes(note);
    return absl::OkStatus();
  }

  const Backend& backend_;
  const v1::ExportModelRequest request_;
  std::optional<core::onnx::File> file_;
  int64_t sent_ = 0;
  core::Crc32 crc32_;
};

}  // namespace

grpc::ServerWriteReactor<v1::ExportModelResponse>* Export(const Backend& backend, grpc::CallbackServerContext* context,
                                                          const v1::ExportModelRequest& request) {
  return new ExportCall(backend, *context, request);
}

}  // namespace traind::server
