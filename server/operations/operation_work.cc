#include "server/operations/operation_work.h"

#include <filesystem>
#include <utility>
#include <vector>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "core/base/errors.h"
#include "core/base/file.h"
#include "core/data/dataset_dir.h"
#include "server/resources/answer_size.h"
#include "server/resources/etag.h"
#include "server/resources/names.h"
#include "traind/rpc/error_details.pb.h"

namespace traind::server {
namespace {

constexpr char kCollection[] = "operations";
// Leaves room for the operation around it.
constexpr size_t kMaxDescriptionBytes = kMaxAnswerBytes - (64 << 10);

google::protobuf::Any Packed(const google::protobuf::Message& message) {
  google::protobuf::Any any;
  any.PackFrom(message);
  return any;
}

// What a dataset's own file does not say.
void Complete(const std::string& name, v1::Dataset& dataset) {
  dataset.set_name(name);
  dataset.set_etag(EtagOf(dataset));
}

// The path of the fitted preprocessing in a task; null: it reads none.
std::string* PreprocessingOf(internal::Task& task) {
  if (task.has_evaluate()) return task.mutable_evaluate()->mutable_preprocessing_path();
  if (task.has_predict()) return task.mutable_predict()->mutable_preprocessing_path();
  return nullptr;
}

// The temporary folder in which an attempt of an import makes the dataset.
std::string FolderOf(const internal::Task& attempt) {
  return std::filesystem::path(attempt.dataset_dir()).parent_path().string();
}

}  // namespace

std::string PredictionsPath(const DataFolder& folder, absl::string_view operation_id) {
  return folder.Item(kCollection, operation_id) + "/predictions";
}

absl::Status OperationWork::Keep(internal::OperationRecord& record) {
  internal::Task& task = *record.mutable_task();
  std::string* const preprocessing = PreprocessingOf(task);
  std::vector<std::pair<std::string*, std::string>> files = {{task.mutable_weights_path(), "weights.safetensors"},
                                                             {preprocessing, "preprocessing.safetensors"}};
  auto* const others = task.has_evaluate()  ? task.mutable_evaluate()->mutable_others()
                       : task.has_predict() ? task.mutable_predict()->mutable_others()
                                            : nullptr;
  for (int i = 0; others != nullptr && i < others->size(); ++i) {
    internal::TaskMember& other = (*others)[i];
    files.emplace_back(other.mutable_weights_path(), absl::StrCat("weights-", i + 1, ".safetensors"));
    files.emplace_back(other.mutable_preprocessing_path(), absl::StrCat("preprocessing-", i + 1, ".safetensors"));
  }
  for (const auto& [path, name] : files) {
    if (path == nullptr || path->empty()) continue;
    auto kept = folder_->KeepFile(*path, kCollection, IdOf(record.name()), name);
    if (!kept.ok()) return kept.status();
    *path = *std::move(kept);
  }
  return absl::OkStatus();
}

absl::StatusOr<internal::Task> OperationWork::Begin(const internal::OperationRecord& record, uint32_t threads) {
  internal::Task task = record.task();
  task.set_threads(threads);
  if (task.has_import()) {
    // The worker makes the dataset in a folder of its own; what it leaves when it dies goes with the folder.
    auto temporary = folder_->NewTemporary();
    if (!temporary.ok()) return temporary.status();
    task.set_dataset_dir(*temporary + "/dataset");
  } else if (task.has_predict()) {
    const std::string path = PredictionsPath(*folder_, IdOf(record.name()));
    if (absl::Status status = core::CreateFolders(folder_->Item(kCollection, IdOf(record.name()))); !status.ok()) {
      return status;
    }
    task.mutable_predict()->set_output_path(path);
  }
  return task;
}

absl::StatusOr<google::protobuf::Any> OperationWork::Publish(const internal::OperationRecord& record,
                                                             const internal::Task& attempt, internal::Result result) {
  switch (attempt.kind_case()) {
    case internal::Task::kImport: {
      const std::string& id = attempt.import().request().dataset_id();
      if (absl::Status status = folder_->Publish(attempt.dataset_dir(), "datasets", id); !status.ok()) return status;
      return ImportedResponse(record, std::move(*result.mutable_imported()));
    }
    case internal::Task::kDescribe:
      Complete(attempt.describe().name(), *result.mutable_described()->mutable_dataset());
      if (result.described().ByteSizeLong() > kMaxDescriptionBytes) {
        return absl::ResourceExhaustedError(absl::StrCat(
            "the description counts ", result.described().dataset().num_classes(), " classes and takes ",
            result.described().ByteSizeLong() >> 10, " KiB, more than an answer may hold (4 MiB); GetDataset answers"));
      }
      return Packed(result.described());
    case internal::Task::kEvaluate:
      return Packed(result.evaluation());
    case internal::Task::kPredict:
      result.mutable_predict_split()->set_operation(record.name());
      return Packed(result.predict_split());
    default:
      return absl::InternalError("an operation of no known kind");
  }
}

absl::StatusOr<std::optional<google::protobuf::Any>> OperationWork::FindPublished(
    const internal::OperationRecord& record) {
  if (!record.task().has_import()) return std::nullopt;
  const internal::ImportTask& import = record.task().import();
  auto dataset = core::LoadDataset(folder_->Item("datasets", import.request().dataset_id()));
  if (absl::IsNotFound(dataset.status())) return std::nullopt;
  if (!dataset.ok()) return dataset.status();
  if (dataset->uid() != import.uid()) return std::nullopt;
  return ImportedResponse(record, *std::move(dataset));
}

google::protobuf::Any OperationWork::ImportedResponse(const internal::OperationRecord& record, v1::Dataset dataset) {
  Complete(record.metadata().target(), dataset);
  // The uploads have served their purpose; what cannot be removed only takes room.
  for (const internal::ResolvedFile& file : record.task().import().files()) {
    if (file.file().has_upload()) folder_->Remove("uploads", IdOf(file.file().upload())).IgnoreError();
  }
  return Packed(dataset);
}

void OperationWork::EndAttempt(const internal::Task& attempt) {
  if (attempt.has_import()) core::RemoveAll(FolderOf(attempt)).IgnoreError();
}

void OperationWork::End(const internal::OperationRecord& record) {
  const absl::string_view id = IdOf(record.name());
  if (!record.response().Is<v1::PredictSplitResponse>()) {
    folder_->Remove(kCollection, id).IgnoreError();
    return;
  }
  for (const char* name : {"/weights.safetensors", "/preprocessing.safetensors"}) {
    core::RemoveAll(folder_->Item(kCollection, id) + name).IgnoreError();
  }
}

absl::Status OperationWork::Disguise(const internal::OperationRecord& record, const absl::Status& status) {
  std::vector<std::pair<std::string, std::string>> names;
  for (const internal::ResolvedFile& file : record.task().import().files()) {
    if (file.file().has_upload()) names.emplace_back(file.path(), file.file().upload());
  }
  absl::Status named(status.code(), absl::StrReplaceAll(status.message(), names));
  status.ForEachPayload([&](absl::string_view type, absl::Cord payload) {
    rpc::BadRequest details;
    if (type == std::string(core::kBadRequestUrl) && details.ParseFromString(std::string(payload))) {
      for (auto& violation : *details.mutable_field_violations()) {
        violation.set_description(absl::StrReplaceAll(violation.description(), names));
      }
      payload = absl::Cord(details.SerializeAsString());
    }
    named.SetPayload(type, std::move(payload));
  });
  return named;
}

}  // namespace traind::server
