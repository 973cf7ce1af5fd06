#include "server/services/model_upload.h"

#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "core/base/checksum.h"
#include "core/base/errors.h"
#include "core/base/file.h"
#include "core/base/labels.h"
#include "core/checkpoint/checkpoint_dir.h"
#include "server/resources/answer_size.h"
#include "server/resources/names.h"
#include "server/resources/request_id.h"
#include "server/services/weights.h"

namespace traind::server {
namespace {

// Of names and shapes; the rest of a Model is far smaller than what is left of an answer.
constexpr size_t kMaxTensorInfoBytes = kMaxAnswerBytes - (512 << 10);

class ModelSink : public UploadSink {
 public:
  ModelSink(const v1::UploadModelHeader& header, std::string temporary, core::OutputFile file, PublishModel publish)
      : header_(header), temporary_(std::move(temporary)), file_(std::move(file)), publish_(std::move(publish)) {}
  // An upload that was not published is of no use; the next start removes what this cannot.
  ~ModelSink() override { core::RemoveAll(temporary_).IgnoreError(); }

  absl::Status Write(absl::string_view chunk) override {
    absl::Status status = CheckChunk(chunk, written_, header_.size_bytes());
    if (!status.ok()) return status;
    written_ += static_cast<int64_t>(chunk.size());
    crc_.Update(chunk.data(), chunk.size());
    return file_.Append({chunk.data(), chunk.size()});
  }

  absl::Status Finish() override {
    if (absl::Status status = file_.Close(); !status.ok()) return status;
    if (written_ < header_.size_bytes()) {
      return FieldError("chunk",
                        absl::StrCat("the stream ended after ", written_, " of ", header_.size_bytes(), " bytes"));
    }
    if (crc_.hex() != absl::AsciiStrToLower(header_.crc32())) {
      return absl::DataLossError(
          absl::StrCat("the bytes have the crc32 ", crc_.hex(), ", the header said ", header_.crc32()));
    }
    v1::Model model;
    {
      auto weights = core::Safetensors::Open(file_.path());
      if (!weights.ok()) {
        if (!absl::IsInvalidArgument(weights.status())) return weights.status();
        // Where the server keeps the file is no business of the client's.
        return FieldError("chunk", absl::StrReplaceAll(weights.status().message(), {{file_.path(), "the file"}}));
      }
      AddTensors(*weights, model);
    }
    if (model.ByteSizeLong() > kMaxTensorInfoBytes) {
      return FieldError("chunk", absl::StrCat("holds ", model.tensors_size(), " tensors, whose names and shapes take ",
                                              Mebibytes(model.ByteSizeLong()), " MiB; no answer may hold more than ",
                                              Mebibytes(kMaxTensorInfoBytes)));
    }
    model.set_name(absl::StrCat("models/", header_.model_id()));
    model.set_size_bytes(written_);
    v1::CheckpointFile sum;
    sum.set_name(core::kWeightsFile);
    sum.set_size_bytes(written_);
    sum.set_crc32(crc_.hex());
    absl::Status status = core::WriteFile(temporary_ + "/" + kModelSumFile, sum.SerializeAsString());
    return status.ok() ? publish_(temporary_, std::move(model)) : status;
  }

 private:
  const v1::UploadModelHeader header_;
  const std::string temporary_;
  core::OutputFile file_;
  const PublishModel publish_;
  int64_t written_ = 0;
  core::Crc32 crc_;
};

}  // namespace

absl::Status CheckModelHeader(const v1::UploadModelHeader& header) {
  core::FieldErrors::Root errors;
  const core::FieldErrors scope = errors.scope("header");
  CheckId(header.model_id(), scope.At("model_id"));
  CheckBytes(header.size_bytes(), header.crc32(), scope);
  core::CheckLabels(header.labels(), scope.At("labels"));
  CheckRequestId(header.request_id(), scope);
  return errors.ToStatus();
}

absl::StatusOr<std::unique_ptr<UploadSink>> BeginModelUpload(DataFolder& folder, const v1::UploadModelHeader& header,
                                                             PublishModel publish) {
  if (folder.Exists("models", header.model_id())) {
    return AlreadyExistsError("Model", absl::StrCat("models/", header.model_id()));
  }
  auto temporary = folder.NewTemporary();
  if (!temporary.ok()) return temporary.status();
  auto file = core::OutputFile::Create(*temporary + "/" + core::kWeightsFile);
  if (!file.ok()) return file.status();
  return std::make_unique<ModelSink>(header, *std::move(temporary), *std::move(file), std::move(publish));
}

void AddTensors(const core::Safetensors& weights, v1::Model& model) {
  for (const auto* entries : {&weights.entries(), &weights.integers()}) {
    for (const auto& entry : *entries) {
      auto* tensor = model.add_tensors();
      tensor->set_name(entry.name);
      tensor->mutable_shape()->Assign(entry.shape.begin(), entry.shape.end());
      tensor->set_dtype(entry.dtype);
    }
  }
}

}  // namespace traind::server
