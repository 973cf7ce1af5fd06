// A model on its way in: checked whole, then there at once or not at all.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/checkpoint/safetensors.h"
#include "server/store/data_folder.h"
#include "server/store/upload_sink.h"
#include "traind/v1/checkpoint.pb.h"
#include "traind/v1/model_service.pb.h"

namespace traind::server {

// INVALID_ARGUMENT with every violation of the header.
absl::Status CheckModelHeader(const v1::UploadModelHeader& header);

// Takes the temporary folder with the weights and weights.pb; `model` has its name, tensors and size. Its error is that
// of the upload.
using PublishModel = std::function<absl::Status(const std::string& temporary, v1::Model model)>;

// Starts to store a safetensors file. ALREADY_EXISTS: there is a model of this id. The sink's end gives DATA_LOSS when
// the checksum is wrong, INVALID_ARGUMENT when it is no safetensors file. `folder` outlives the sink.
absl::StatusOr<std::unique_ptr<UploadSink>> BeginModelUpload(DataFolder& folder, const v1::UploadModelHeader& header,
                                                             PublishModel publish);

// Names and shapes of the tensors in the file.
void AddTensors(const core::Safetensors& weights, v1::Model& model);

}  // namespace traind::server
