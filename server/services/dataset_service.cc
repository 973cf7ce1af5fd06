#include "server/services/dataset_service.h"

#include <algorithm>
#include <filesystem>
#include <memory>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "core/base/errors.h"
#include "core/base/file.h"
#include "core/data/dataset_dir.h"
#include "core/data/preview.h"
#include "server/resources/names.h"
#include "server/resources/paging.h"
#include "server/rpc/unary_call.h"
#include "server/rpc/upload_call.h"
#include "server/services/admission.h"
#include "server/services/task_runner.h"
#include "traind/rpc/error_details.pb.h"

namespace traind::server {

absl::StatusOr<std::string> ResolveDataPath(const std::vector<std::string>& roots, const std::string& path) {
  namespace fs = std::filesystem;
  const absl::Status denied = absl::PermissionDeniedError(
      absl::StrCat("\"", path, "\" is not below the server's --dataset-root (", absl::StrJoin(roots, ", "), ")"));
  absl::Status missing = denied;
  for (const std::string& root : roots) {
    auto real_root = core::RealPath(root);
    if (!real_root.ok()) continue;
    // An absolute path replaces the root. Before the file system is asked, the text must lie below the root.
    const fs::path candidate = (fs::path(root) / path).lexically_normal();
    const auto lies_below = [&](const fs::path& folder) {
      const fs::path relative = candidate.lexically_relative(folder.lexically_normal());
      return !relative.empty() && *relative.begin() != "..";
    };
    if (!lies_below(root) && !lies_below(*real_root)) continue;
    auto below = core::IsBelow(*real_root, candidate.string());
    if (!below.ok()) {
      missing = below.status();
    } else if (*below) {
      return core::RealPath(candidate.string());
    }
  }
  return missing;
}

grpc::ServerUnaryReactor* DatasetService::ImportDataset(grpc::CallbackServerContext* context,
                                                        const v1::ImportDatasetRequest* request,
                                                        v1::Dataset* response) {
  return AnswerOn(*backend_.slow, context,
                  [this, request, response](CallContext& call) { return Import(*request, call, response); });
}

absl::StatusOr<std::string> DatasetService::Resolve(const v1::DataFile& file, UsedUploads* used) {
  if (file.source_case() != v1::DataFile::kUpload) return ResolveDataPath(dataset_roots_, file.path());
  auto upload = ParseName("uploads", file.upload(), "upload");
  if (!upload.ok()) return upload.status();
  auto path = uploads_.CompletePath(*upload);
  if (path.ok()) used->emplace_back(*path, *upload);
  return path;
}

absl::Status DatasetService::WithUploadNames(const absl::Status& status, const UsedUploads& used) {
  std::vector<std::pair<std::string, std::string>> names;
  for (const auto& [path, upload] : used) names.emplace_back(path, absl::StrCat("uploads/", upload));
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

absl::Status DatasetService::Import(const v1::ImportDatasetRequest& request, CallContext& call, v1::Dataset* response) {
  const std::string& id = request.dataset_id();
  core::FieldErrors::Root errors;
  CheckId(id, errors.scope().At("dataset_id"));
  if (!errors.ok()) return errors.ToStatus();
  const std::string name = absl::StrCat("datasets/", id);
  if (backend_.folder->Exists("datasets", id)) return AlreadyExistsError("Dataset", name);
  if (absl::Status status = core::CheckImportRequest(request); !status.ok()) return status;
  internal::Task task;
  UsedUploads used;
  const auto resolve = [&](const v1::DataFile& file, const std::string& field) -> absl::Status {
    auto path = Resolve(file, &used);
    if (absl::IsInvalidArgument(path.status())) return FieldError(field, std::string(path.status().message()));
    if (!path.ok()) return {path.status().code(), absl::StrCat(field, ": ", path.status().message())};
    internal::ResolvedFile& resolved = *task.mutable_import()->add_files();
    *resolved.mutable_file() = file;
    resolved.set_path(*std::move(path));
    return absl::OkStatus();
  };
  for (int i = 0; i < request.splits_size(); ++i) {
    const v1::SplitSource& source = request.splits(i);
    const std::string split = absl::StrCat("splits[", i, "].");
    absl::Status status = resolve(source.examples(), split + "examples");
    for (int k = 0; status.ok() && k < source.more_examples_size(); ++k) {
      status = resolve(source.more_examples(k), absl::StrCat(split, "more_examples[", k, "]"));
    }
    if (status.ok() && source.has_labels()) status = resolve(source.labels(), split + "labels");
    if (!status.ok()) return status;
  }

  // The worker makes the dataset in a folder of its own; what it leaves when it dies goes with the folder.
  auto temporary = backend_.folder->NewTemporary();
  if (!temporary.ok()) return temporary.status();
  const absl::Cleanup remove = [&temporary] { core::RemoveAll(*temporary).IgnoreError(); };
  const std::string made = absl::StrCat(*temporary, "/dataset");
  task.set_dataset_dir(made);
  task.set_threads(1);
  *task.mutable_import()->mutable_request() = request;
  task.mutable_import()->set_create_time_seconds(absl::ToUnixSeconds(absl::Now()));
  auto result = backend_.data_tasks->Run(backend_.jobs->capacity().memory_bytes, std::move(task), call);
  if (!result.ok()) return WithUploadNames(result.status(), used);
  if (absl::Status status = call.Check(); !status.ok()) return status;
  if (absl::Status status = backend_.folder->Publish(made, "datasets", id); !status.ok()) return status;
  *response = std::move(*result->mutable_imported());
  response->set_name(name);
  // The uploads have served their purpose; what cannot be removed only takes room.
  for (const auto& [path, upload] : used) uploads_.Remove(upload).IgnoreError();
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* DatasetService::PreviewDataset(grpc::CallbackServerContext* context,
                                                         const v1::PreviewDatasetRequest* request,
                                                         v1::PreviewDatasetResponse* response) {
  return AnswerOn(*backend_.slow, context,
                  [this, request, response](CallContext& call) { return Preview(*request, call, response); });
}

absl::Status DatasetService::Preview(const v1::PreviewDatasetRequest& request, CallContext& call,
                                     v1::PreviewDatasetResponse* response) {
  auto id = ParseName("datasets", request.name(), "name");
  if (!id.ok()) return id.status();
  auto dataset = Load(*id);
  if (!dataset.ok()) return dataset.status();
  core::FieldErrors::Root errors;
  internal::Task task;
  *task.mutable_preview() = core::ResolvePreview(request, &*dataset, errors.scope());
  if (!errors.ok()) return errors.ToStatus();
  task.set_dataset_dir(backend_.folder->Item("datasets", *id));
  task.set_threads(1);
  auto result = backend_.data_tasks->Run(backend_.jobs->capacity().memory_bytes, std::move(task), call);
  if (!result.ok()) return result.status();
  *response = std::move(*result->mutable_preview());
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* DatasetService::DescribeDataset(grpc::CallbackServerContext* context,
                                                          const v1::DescribeDatasetRequest* request,
                                                          v1::DatasetDescription* response) {
  return AnswerOn(*backend_.slow, context,
                  [this, request, response](CallContext& call) { return Describe(*request, call, response); });
}

absl::Status DatasetService::Describe(const v1::DescribeDatasetRequest& request, CallContext& call,
                                      v1::DatasetDescription* response) {
  auto id = ParseName("datasets", request.name(), "name");
  if (!id.ok()) return id.status();
  auto dataset = Load(*id);
  if (!dataset.ok()) return dataset.status();
  internal::Task task;
  task.set_dataset_dir(backend_.folder->Item("datasets", *id));
  task.set_threads(1);
  *task.mutable_describe() = request;
  auto result = backend_.data_tasks->Run(backend_.jobs->capacity().memory_bytes, std::move(task), call);
  if (!result.ok()) return result.status();
  *response = std::move(*result->mutable_described());
  *response->mutable_dataset() = *std::move(dataset);
  return absl::OkStatus();
}

grpc::ServerReadReactor<v1::UploadDatasetRequest>* DatasetService::UploadDataset(grpc::CallbackServerContext* context,
                                                                                 v1::Upload* response) {
  auto id = std::make_shared<std::string>();
  return new UploadCall<v1::UploadDatasetRequest, v1::UploadHeader>(
      *backend_.slow, context,
      [this, id](CallContext&, const v1::UploadHeader& header) {
        *id = header.upload_id();
        return uploads_.Begin(header);
      },
      [this, id, response] { return Give(uploads_.Get(*id), response); });
}

grpc::ServerUnaryReactor* DatasetService::GetUpload(grpc::CallbackServerContext* context,
                                                    const v1::GetUploadRequest* request, v1::Upload* response) {
  return AnswerOn(*backend_.quick, context, [this, request, response](CallContext&) -> absl::Status {
    auto id = ParseName("uploads", request->name(), "name");
    return id.ok() ? Give(uploads_.Get(*id), response) : id.status();
  });
}

absl::StatusOr<v1::Dataset> DatasetService::Load(const std::string& id) {
  auto dataset = core::LoadDataset(backend_.folder->Item("datasets", id));
  if (absl::IsNotFound(dataset.status())) return DatasetNotFoundError(*backend_.folder, absl::StrCat("datasets/", id));
  if (dataset.ok()) dataset->set_name(absl::StrCat("datasets/", id));
  return dataset;
}

grpc::ServerUnaryReactor* DatasetService::GetDataset(grpc::CallbackServerContext* context,
                                                     const v1::GetDatasetRequest* request, v1::Dataset* response) {
  return AnswerOn(*backend_.quick, context, [this, request, response](CallContext&) -> absl::Status {
    auto id = ParseName("datasets", request->name(), "name");
    return id.ok() ? Give(Load(*id), response) : id.status();
  });
}

grpc::ServerUnaryReactor* DatasetService::ListDatasets(grpc::CallbackServerContext* context,
                                                       const v1::ListDatasetsRequest* request,
                                                       v1::ListDatasetsResponse* response) {
  return AnswerOn(*backend_.quick, context,
                  [this, request, response](CallContext&) { return List(*request, response); });
}

absl::Status DatasetService::List(const v1::ListDatasetsRequest& request, v1::ListDatasetsResponse* response) {
  core::FieldErrors::Root errors;
  CheckPageSize(request.page_size(), errors.scope());
  // The token is the last id of the page before: it stays good when datasets come and go.
  if (!request.page_token().empty() && !IsValidId(request.page_token())) {
    errors.scope().At("page_token").Add("is not a next_page_token");
  }
  if (!errors.ok()) return errors.ToStatus();
  auto ids = backend_.folder->List("datasets");
  if (!ids.ok()) return ids.status();
  const int size = PageSize(request.page_size());
  auto next = std::upper_bound(ids->begin(), ids->end(), request.page_token());
  std::string last;
  for (; next != ids->end() && response->datasets_size() < size; ++next) {
    last = *next;
    auto dataset = Load(*next);
    if (absl::IsNotFound(dataset.status())) continue;  // Deleted just now.
    if (!dataset.ok()) return dataset.status();
    *response->add_datasets() = *std::move(dataset);
  }
  if (next != ids->end()) response->set_next_page_token(last);
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* DatasetService::DeleteDataset(grpc::CallbackServerContext* context,
                                                        const v1::DeleteDatasetRequest* request,
                                                        google::protobuf::Empty*) {
  return AnswerOn(*backend_.slow, context, [this, request](CallContext&) -> absl::Status {
    auto id = ParseName("datasets", request->name(), "name");
    if (!id.ok()) return id.status();
    if (!backend_.folder->Exists("datasets", *id)) return DatasetNotFoundError(*backend_.folder, request->name());
    return backend_.jobs->RemoveDataset(request->name(), [&] { return backend_.folder->Remove("datasets", *id); });
  });
}

}  // namespace traind::server
