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
#include "core/base/uid.h"
#include "core/data/dataset_dir.h"
#include "core/data/preview.h"
#include "server/resources/answer_size.h"
#include "server/resources/etag.h"
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
  task.mutable_import()->set_uid(core::NewUid());
  task.mutable_import()->set_create_time_seconds(absl::ToUnixSeconds(absl::Now()));
  auto result = backend_.data_tasks->Run(TaskRunner::kNotCounted, std::move(task), call);
  if (!result.ok()) return WithUploadNames(result.status(), used);
  if (absl::Status status = call.Check(); !status.ok()) return status;
  if (absl::Status status = backend_.folder->Publish(made, "datasets", id); !status.ok()) return status;
  *response = std::move(*result->mutable_imported());
  response->set_name(name);
  response->set_etag(EtagOf(*response));
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
  auto dataset = datasets_.Get(*id);
  if (!dataset.ok()) return dataset.status();
  core::FieldErrors::Root errors;
  internal::Task task;
  *task.mutable_preview() = core::ResolvePreview(request, &*dataset, errors.scope());
  if (!errors.ok()) return errors.ToStatus();
  task.set_dataset_dir(backend_.folder->Item("datasets", *id));
  task.set_threads(1);
  auto result = backend_.data_tasks->Run(TaskRunner::kNotCounted, std::move(task), call);
  if (!result.ok()) return result.status();
  *response = std::move(*result->mutable_preview());
  return CheckAnswerSize(*response, "ask for fewer rows and columns, or a smaller scale");
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
  auto dataset = datasets_.Get(*id);
  if (!dataset.ok()) return dataset.status();
  internal::Task task;
  task.set_dataset_dir(backend_.folder->Item("datasets", *id));
  task.set_threads(1);
  *task.mutable_describe() = request;
  auto result = backend_.data_tasks->Run(TaskRunner::kNotCounted, std::move(task), call);
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

grpc::ServerUnaryReactor* DatasetService::ListUploads(grpc::CallbackServerContext* context,
                                                      const v1::ListUploadsRequest* request,
                                                      v1::ListUploadsResponse* response) {
  return AnswerOn(*backend_.quick, context,
                  [this, request, response](CallContext&) { return Give(List(*request), response); });
}

absl::StatusOr<v1::ListUploadsResponse> DatasetService::List(const v1::ListUploadsRequest& request) const {
  static const Collection kCollection{
      .name = "uploads",
      .fields = {{v1::Upload::descriptor(),
                  {"name", "uid", "size_bytes", "committed_bytes", "complete", "create_time", "update_time"}}},
      .default_order = "name"};
  core::FieldErrors::Root errors;
  const ListQuery query = ListQuery::Parse(ListRequestOf(request), kCollection, errors.scope());
  if (!errors.ok()) return errors.ToStatus();
  auto ids = uploads_.List();
  if (!ids.ok()) return ids.status();
  Page<v1::Upload> page(query);
  for (const std::string& id : *ids) {
    auto upload = uploads_.Get(id);
    if (absl::IsNotFound(upload.status())) continue;  // Removed, or not begun yet.
    if (!upload.ok()) return upload.status();
    const std::string name = upload->name();
    page.Offer(*std::move(upload), name);
  }
  v1::ListUploadsResponse response;
  page.MoveTo(*response.mutable_uploads(), *response.mutable_next_page_token());
  return response;
}

grpc::ServerUnaryReactor* DatasetService::DeleteUpload(grpc::CallbackServerContext* context,
                                                       const v1::DeleteUploadRequest* request,
                                                       google::protobuf::Empty*) {
  return AnswerOn(*backend_.slow, context, [this, request](CallContext&) -> absl::Status {
    auto id = ParseName("uploads", request->name(), "name");
    if (!id.ok()) return id.status();
    if (absl::Status status = CheckUnused(backend_, request->name()); !status.ok()) return status;
    return uploads_.Delete(*id, request->etag());
  });
}

grpc::ServerUnaryReactor* DatasetService::GetDataset(grpc::CallbackServerContext* context,
                                                     const v1::GetDatasetRequest* request, v1::Dataset* response) {
  return AnswerOn(*backend_.quick, context, [this, request, response](CallContext&) -> absl::Status {
    auto id = ParseName("datasets", request->name(), "name");
    return id.ok() ? Give(datasets_.Get(*id), response) : id.status();
  });
}

grpc::ServerUnaryReactor* DatasetService::ListDatasets(grpc::CallbackServerContext* context,
                                                       const v1::ListDatasetsRequest* request,
                                                       v1::ListDatasetsResponse* response) {
  return AnswerOn(*backend_.quick, context,
                  [this, request, response](CallContext&) { return Give(datasets_.List(*request), response); });
}

grpc::ServerUnaryReactor* DatasetService::UpdateDataset(grpc::CallbackServerContext* context,
                                                        const v1::UpdateDatasetRequest* request,
                                                        v1::Dataset* response) {
  return AnswerOn(*backend_.quick, context,
                  [this, request, response](CallContext&) { return Give(datasets_.Update(*request), response); });
}

grpc::ServerUnaryReactor* DatasetService::DeleteDataset(grpc::CallbackServerContext* context,
                                                        const v1::DeleteDatasetRequest* request,
                                                        google::protobuf::Empty*) {
  return AnswerOn(*backend_.slow, context, [this, request](CallContext&) {
    return datasets_.Delete(*request, [this](const std::string& name) { return CheckUnused(backend_, name); });
  });
}

}  // namespace traind::server
