#include "server/services/dataset_service.h"

#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "core/base/errors.h"
#include "core/base/machine.h"
#include "core/data/dataset_dir.h"
#include "core/data/preview.h"
#include "server/resources/answer_size.h"
#include "server/resources/etag.h"
#include "server/resources/names.h"
#include "server/resources/paging.h"
#include "server/rpc/unary_call.h"
#include "server/rpc/upload_call.h"
#include "server/services/admission.h"
#include "server/services/import_request.h"
#include "server/services/task_runner.h"
#include "server/services/unreachable.h"

namespace traind::server {

grpc::ServerUnaryReactor* DatasetService::ImportDataset(grpc::CallbackServerContext* context,
                                                        const v1::ImportDatasetRequest* request,
                                                        v1::Operation* response) {
  return AnswerOn(*backend_.files, context, *request, [this, request, response](CallContext& call) {
    const auto admit = [&]() -> absl::StatusOr<OperationManager::NewOperation> {
      // How large it will be is not known yet: its owner's quota decides once it is made.
      absl::Status room = backend_.bytes->CheckRoom(call.caller().user, QuotaKind::kDatasets, 1);
      if (!room.ok()) return room;
      auto import = AdmitImport(*request, backend_, dataset_roots_);
      if (import.ok()) import->task.mutable_import()->set_owner(call.caller().user);
      return import;
    };
    if (request->validate_only()) return admit().status();
    return Give(backend_.operations->Create("ImportDataset", *request, admit, call.caller()), response);
  });
}

grpc::ServerUnaryReactor* DatasetService::PreviewDataset(grpc::CallbackServerContext* context,
                                                         const v1::PreviewDatasetRequest* request,
                                                         v1::PreviewDatasetResponse* response) {
  return AnswerOn(*backend_.asking, context, *request,
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
  auto result = backend_.tasks->Run(Budget::kNotCounted, std::move(task), call);
  if (!result.ok()) return result.status();
  *response = std::move(*result->mutable_preview());
  return CheckAnswerSize(*response, "ask for fewer rows and columns, or a smaller scale");
}

grpc::ServerUnaryReactor* DatasetService::DescribeDataset(grpc::CallbackServerContext* context,
                                                          const v1::DescribeDatasetRequest* request,
                                                          v1::Operation* response) {
  return AnswerOn(*backend_.files, context, *request, [this, request, response](CallContext& call) {
    const auto admit = [&] { return AdmitDescription(*request); };
    return Give(backend_.operations->Create("DescribeDataset", *request, admit, call.caller()), response);
  });
}

absl::StatusOr<OperationManager::NewOperation> DatasetService::AdmitDescription(
    const v1::DescribeDatasetRequest& request) const {
  auto id = ParseName("datasets", request.name(), "name");
  if (!id.ok()) return id.status();
  if (auto dataset = datasets_.Get(*id); !dataset.ok()) return dataset.status();
  OperationManager::NewOperation operation{
      .target = request.name(), .memory_bytes = Budget::kNotCounted, .uses = {request.name()}};
  operation.task.set_dataset_dir(backend_.folder->Item("datasets", *id));
  operation.task.mutable_describe()->set_name(request.name());
  return operation;
}

grpc::ServerReadReactor<v1::UploadDatasetRequest>* DatasetService::UploadDataset(grpc::CallbackServerContext* context,
                                                                                 v1::Upload* response) {
  auto id = std::make_shared<std::string>();
  return new UploadCall<v1::UploadDatasetRequest, v1::UploadHeader>(
      *backend_.files, context,
      [this, id](CallContext& call, const v1::UploadHeader& header) {
        *id = header.upload_id();
        return Begin(header, call.caller().user);
      },
      [this, id, response] { return Give(uploads_.Get(*id), response); });
}

absl::StatusOr<std::unique_ptr<UploadSink>> DatasetService::Begin(const v1::UploadHeader& header,
                                                                  const std::string& user) {
  absl::Status room = backend_.bytes->ReserveUpload(user, header.upload_id(), header.size_bytes());
  if (!room.ok()) return room;
  auto sink = uploads_.Begin(header, user);
  backend_.bytes->Refresh("uploads", header.upload_id());
  return sink;
}

grpc::ServerUnaryReactor* DatasetService::GetUpload(grpc::CallbackServerContext* context,
                                                    const v1::GetUploadRequest* request, v1::Upload* response) {
  return AnswerOn(*backend_.quick, context, *request, [this, request, response](CallContext&) -> absl::Status {
    auto id = ParseName("uploads", request->name(), "name");
    return id.ok() ? Give(uploads_.Get(*id), response) : id.status();
  });
}

grpc::ServerUnaryReactor* DatasetService::ListUploads(grpc::CallbackServerContext* context,
                                                      const v1::ListUploadsRequest* request,
                                                      v1::ListUploadsResponse* response) {
  return AnswerOn(*backend_.quick, context, *request, [this, request, response](CallContext& call) {
    return Give(List(*request, call.caller()), response);
  });
}

absl::StatusOr<v1::ListUploadsResponse> DatasetService::List(const v1::ListUploadsRequest& request,
                                                             const Caller& caller) const {
  static const Collection kCollection{
      .name = "uploads",
      .fields = {{v1::Upload::descriptor(),
                  {"name", "uid", "owner", "size_bytes", "committed_bytes", "complete", "create_time", "update_time"}}},
      .default_order = "name"};
  core::FieldErrors::Root errors;
  const ListQuery query = ListQuery::Parse(ListRequestOf(request), kCollection, errors.scope());
  if (!errors.ok()) return errors.ToStatus();
  auto ids = uploads_.List();
  if (!ids.ok()) return ids.status();
  v1::ListUploadsResponse response;
  Page<v1::Upload> page(query, caller);
  for (const std::string& id : *ids) {
    auto upload = uploads_.Get(id);
    if (absl::IsNotFound(upload.status())) continue;  // Removed, or not begun yet.
    if (core::IsOfMachine(upload.status())) return upload.status();
    if (!upload.ok()) {
      LogUnreachable("uploads", id, upload.status());
      if (caller.IsAdmin()) response.add_unreachable(absl::StrCat("uploads/", id));
      continue;
    }
    const std::string name = upload->name();
    page.Offer(*std::move(upload), name);
  }
  page.MoveTo(*response.mutable_uploads(), *response.mutable_next_page_token());
  return response;
}

grpc::ServerUnaryReactor* DatasetService::DeleteUpload(grpc::CallbackServerContext* context,
                                                       const v1::DeleteUploadRequest* request,
                                                       google::protobuf::Empty*) {
  return AnswerOn(*backend_.removing, context, *request, [this, request](CallContext&) -> absl::Status {
    auto id = ParseName("uploads", request->name(), "name");
    if (!id.ok()) return id.status();
    if (absl::Status status = CheckUnused(backend_, request->name()); !status.ok()) return status;
    return uploads_.Delete(*id, request->etag());
  });
}

grpc::ServerUnaryReactor* DatasetService::GetDataset(grpc::CallbackServerContext* context,
                                                     const v1::GetDatasetRequest* request, v1::Dataset* response) {
  return AnswerOn(*backend_.quick, context, *request, [this, request, response](CallContext&) -> absl::Status {
    auto id = ParseName("datasets", request->name(), "name");
    return id.ok() ? Give(datasets_.Get(*id), response) : id.status();
  });
}

grpc::ServerUnaryReactor* DatasetService::ListDatasets(grpc::CallbackServerContext* context,
                                                       const v1::ListDatasetsRequest* request,
                                                       v1::ListDatasetsResponse* response) {
  return AnswerOn(*backend_.quick, context, *request, [this, request, response](CallContext& call) {
    return Give(datasets_.List(*request, call.caller()), response);
  });
}

grpc::ServerUnaryReactor* DatasetService::UpdateDataset(grpc::CallbackServerContext* context,
                                                        const v1::UpdateDatasetRequest* request,
                                                        v1::Dataset* response) {
  return AnswerOn(*backend_.quick, context, *request,
                  [this, request, response](CallContext&) { return Give(datasets_.Update(*request), response); });
}

grpc::ServerUnaryReactor* DatasetService::DeleteDataset(grpc::CallbackServerContext* context,
                                                        const v1::DeleteDatasetRequest* request,
                                                        google::protobuf::Empty*) {
  return AnswerOn(*backend_.removing, context, *request, [this, request](CallContext&) {
    return datasets_.Delete(*request, [this](const std::string& name) { return CheckUnused(backend_, name); });
  });
}

}  // namespace traind::server
