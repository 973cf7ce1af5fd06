// What the tasks of operations need before a worker starts, and what becomes of their results: the files. Thread-safe;
// two calls for one operation must not run at a time.
//
// An operation has a folder operations/{id}/ in the data folder, with
//   weights.safetensors, preprocessing.safetensors   links to what its task reads: they may be pruned meanwhile
//   predictions                                      of a PredictSplit (server/wire/predictions.h)
#pragma once

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/protobuf/any.pb.h"
#include "server/store/data_folder.h"
#include "traind/internal/operation.pb.h"

namespace traind::server {

class OperationWork {
 public:
  // `folder` outlives this.
  explicit OperationWork(DataFolder* folder) : folder_(folder) {}

  // Keeps the files that the record's task reads and makes the task refer to them. UNAVAILABLE: they were removed just
  // now.
  absl::Status Keep(internal::OperationRecord& record);
  // The task of a new attempt with so many threads, with its own places for what it makes.
  absl::StatusOr<internal::Task> Begin(const internal::OperationRecord& record, uint32_t threads);
  // Publishes what the attempt has made; the operation's response. ALREADY_EXISTS: another import was faster.
  absl::StatusOr<google::protobuf::Any> Publish(const internal::OperationRecord& record, const internal::Task& attempt,
                                                internal::Result result);
  // The response when an attempt before a crash of the server had published all: a dataset of the import's uid.
  absl::StatusOr<std::optional<google::protobuf::Any>> FindPublished(const internal::OperationRecord& record);
  // Removes what an attempt leaves that has ended.
  void EndAttempt(const internal::Task& attempt);
  // Removes what a done operation does not need any more: all but the predictions of one that SUCCEEDED.
  void End(const internal::OperationRecord& record);
  // The task's error as the caller may see it: the names of uploads in place of where the server keeps them.
  static absl::Status Disguise(const internal::OperationRecord& record, const absl::Status& status);

 private:
  google::protobuf::Any ImportedResponse(const internal::OperationRecord& record, v1::Dataset dataset);

  DataFolder* const folder_;
};

// The file with the predictions of a PredictSplit.
std::string PredictionsPath(const DataFolder& folder, absl::string_view operation_id);

}  // namespace traind::server
