// A model on its way in: checked whole, then there at once or not at all.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "server/store/data_folder.h"
#include "server/store/upload_sink.h"
#include "traind/v1/checkpoint.pb.h"
#include "traind/v1/model_service.pb.h"

namespace traind::server {

// Starts to store a safetensors file as "models/{id}". ALREADY_EXISTS: there is one. The sink's end gives DATA_LOSS
// when the checksum is wrong, INVALID_ARGUMENT when it is no safetensors file; after OK `model` describes it. `folder`
// and `model` outlive the sink.
absl::StatusOr<std::unique_ptr<UploadSink>> BeginModelUpload(DataFolder& folder, const v1::UploadModelHeader& header,
                                                             v1::Model* model);

}  // namespace traind::server
