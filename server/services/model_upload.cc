#include "server/services/model_upload.h"

#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "core/base/checksum.h"
#include "core/base/errors.h"
#include "core/base/file.h"
#include "core/checkpoint/checkpoint_dir.h"
#include "google/protobuf/util/time_util.h"
#include "server/resources/names.h"
#include "server/services/weights.h"

namespace traind::server {
namespace {

class ModelSink : public UploadSink {
 public:
  ModelSink(DataFolder& folder, const v1::UploadModelHeader& header, std::string temporary, core::OutputFile file,
            v1::Model* model)
      : folder_(folder), header_(header), temporary_(std::move(temporary)), file_(std::move(file)), model_(model) {}
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
      for (const auto& entry : weights->entries()) {
        auto* tensor = model.add_tensors();
        tensor->set_name(entry.name);
        tensor->mutable_shape()->Assign(entry.shape.begin(), entry.shape.end());
      }
    }
    model.set_name(absl::StrCat("models/", header_.model_id()));
    model.set_size_bytes(written_);
    *model.mutable_create_time() =
        google::protobuf::util::TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(absl::Now()));
    v1::CheckpointFile sum;
    sum.set_name(core::kWeightsFile);
    sum.set_size_bytes(written_);
    sum.set_crc32(crc_.hex());
    absl::Status status = core::WriteFile(temporary_ + "/" + kModelSumFile, sum.SerializeAsString());
    if (status.ok()) status = folder_.Publish(temporary_, "models", header_.model_id());
    if (status.ok()) *model_ = std::move(model);
    return status;
  }

 private:
  DataFolder& folder_;
  const v1::UploadModelHeader header_;
  const std::string temporary_;
  core::OutputFile file_;
  v1::Model* const model_;
  int64_t written_ = 0;
  core::Crc32 crc_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<UploadSink>> BeginModelUpload(DataFolder& folder, const v1::UploadModelHeader& header,
                                                             v1::Model* model) {
  core::FieldErrors::Root errors;
  const core::FieldErrors scope = errors.scope("header");
  CheckId(header.model_id(), scope.At("model_id"));
  CheckBytes(header.size_bytes(), header.crc32(), scope);
  if (!errors.ok()) return errors.ToStatus();
  if (folder.Exists("models", header.model_id())) {
    return AlreadyExistsError("Model", absl::StrCat("models/", header.model_id()));
  }
  auto temporary = folder.NewTemporary();
  if (!temporary.ok()) return temporary.status();
  auto file = core::OutputFile::Create(*temporary + "/" + core::kWeightsFile);
  if (!file.ok()) return file.status();
  return std::make_unique<ModelSink>(folder, header, *std::move(temporary), *std::move(file), model);
}

}  // namespace traind::server
