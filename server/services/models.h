// The models that users brought, or made (ensembles.h), as they lie in the data folder: models/{id}/ holds
// weights.safetensors, weights.pb (v1::CheckpointFile) and model.pb (v1::Model: uid, times and labels; absent before
// 0.3). Thread-safe; everything given to it outlives it.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "server/resources/caller.h"
#include "server/store/data_folder.h"
#include "server/store/job_store.h"
#include "server/store/upload_sink.h"
#include "traind/v1/checkpoint.pb.h"
#include "traind/v1/model_service.pb.h"

namespace traind::server {

// Below the folder of a model: its record.
inline constexpr char kModelRecordFile[] = "/model.pb";

class Models {
 public:
  // Says whether something uses the model "models/{id}": FAILED_PRECONDITION.
  using CheckUnused = std::function<absl::Status(const std::string& name)>;

  Models(DataFolder* folder, JobStore* store) : folder_(folder), store_(store) {}

  // Starts to store a safetensors file as "models/{id}". ALREADY_EXISTS: there is one. INVALID_ARGUMENT: the header, or
  // a request_id of another call; FAILED_PRECONDITION: of a model that was deleted. The sink's end gives DATA_LOSS when
  // the checksum is wrong, INVALID_ARGUMENT when it is no safetensors file; after OK `model`, which outlives the sink,
  // describes it. The model, and the request_id, are the caller's. With that of an earlier call `model` is that one's,
  // and the bytes count for nothing.
  absl::StatusOr<std::unique_ptr<UploadSink>> Upload(const v1::UploadModelHeader& header, const Caller& caller,
                                                     v1::Model* model);

  // A model that is to be.
  struct NewModel {
    std::string id;
    google::protobuf::Map<std::string, std::string> labels;
    std::string request_id;
    std::string method;       // That was called,
    std::string fingerprint;  // and with what.
  };
  // The model of an earlier call with the same request_id, or NOT_FOUND. INVALID_ARGUMENT, FAILED_PRECONDITION as
  // Upload.
  absl::StatusOr<v1::Model> FindEarlier(const NewModel& made, const Caller& caller) const;
  // Makes a filled temporary folder the model, which is the caller's: ALREADY_EXISTS, RESOURCE_EXHAUSTED. `model` has
  // its name, size and what else is to be kept of it.
  absl::Status Publish(const std::string& temporary, const NewModel& made, const Caller& caller,
                       const v1::Model& model);

  // With its tensors. NOT_FOUND.
  absl::StatusOr<v1::Model> Get(const std::string& id) const;
  // Without its tensors. NOT_FOUND.
  absl::StatusOr<v1::Model> GetRecord(const std::string& id) const;
  // By any field. INVALID_ARGUMENT: the request.
  absl::StatusOr<v1::ListModelsResponse> List(const v1::ListModelsRequest& request, const Caller& caller) const;
  // NOT_FOUND, ABORTED: another etag.
  absl::StatusOr<v1::Model> Update(const v1::UpdateModelRequest& request);
  absl::Status Delete(const v1::DeleteModelRequest& request, const CheckUnused& check);

 private:
  DataFolder* const folder_;
  JobStore* const store_;
  absl::Mutex mu_;  // Held while a model comes, changes or goes.
};

}  // namespace traind::server
