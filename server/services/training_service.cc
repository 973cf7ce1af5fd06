#include "server/services/training_service.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "core/catalogue/components.h"
#include "core/job/resolve.h"
#include "server/resources/names.h"
#include "server/rpc/unary_call.h"
#include "server/services/admission.h"
#include "server/services/watch_call.h"

namespace traind::server {

grpc::ServerUnaryReactor* TrainingService::CreateJob(grpc::CallbackServerContext* context,
                                                     const v1::CreateJobRequest* request, v1::Job* response) {
  return AnswerOn(*backend_.slow, context, [this, request, response](CallContext& call) -> absl::Status {
    const auto admit = [&](const v1::CreateJobRequest& wanted) {
      return Admit(wanted, *backend_.folder, backend_.jobs->capacity().threads, [&] { return call.Check(); });
    };
    return Give(backend_.jobs->Create(*request, admit), response);
  });
}

grpc::ServerUnaryReactor* TrainingService::GetJob(grpc::CallbackServerContext* context,
                                                  const v1::GetJobRequest* request, v1::Job* response) {
  return AnswerOn(*backend_.quick, context, [this, request, response](CallContext&) -> absl::Status {
    auto id = ParseName("jobs", request->name(), "name");
    return id.ok() ? Give(backend_.jobs->Get(*id), response) : id.status();
  });
}

grpc::ServerUnaryReactor* TrainingService::ListJobs(grpc::CallbackServerContext* context,
                                                    const v1::ListJobsRequest* request,
                                                    v1::ListJobsResponse* response) {
  return AnswerOn(*backend_.quick, context,
                  [this, request, response](CallContext&) { return Give(backend_.jobs->List(*request), response); });
}

grpc::ServerWriteReactor<v1::WatchJobResponse>* TrainingService::WatchJob(grpc::CallbackServerContext* context,
                                                                          const v1::WatchJobRequest* request) {
  return server::WatchJob(*backend_.quick, *backend_.store, *backend_.log, context, *request);
}

grpc::ServerUnaryReactor* TrainingService::CancelJob(grpc::CallbackServerContext* context,
                                                     const v1::CancelJobRequest* request, v1::Job* response) {
  return AnswerOn(*backend_.quick, context, [this, request, response](CallContext&) -> absl::Status {
    auto id = ParseName("jobs", request->name(), "name");
    return id.ok() ? Give(backend_.jobs->Cancel(*id), response) : id.status();
  });
}

grpc::ServerUnaryReactor* TrainingService::DeleteJob(grpc::CallbackServerContext* context,
                                                     const v1::DeleteJobRequest* request, google::protobuf::Empty*) {
  return AnswerOn(*backend_.slow, context, [this, request](CallContext&) -> absl::Status {
    auto id = ParseName("jobs", request->name(), "name");
    return id.ok() ? backend_.jobs->Delete(*id) : id.status();
  });
}

grpc::ServerUnaryReactor* TrainingService::DescribeNetwork(grpc::CallbackServerContext* context,
                                                           const v1::DescribeNetworkRequest* request,
                                                           v1::NetworkDescription* response) {
  return AnswerOn(*backend_.slow, context, [request, response](CallContext& call) -> absl::Status {
    core::FieldErrors::Root errors;
    auto description = core::DescribeNetwork(*request, errors.scope(), [&] { return call.Check(); });
    return errors.ok() ? Give(std::move(description), response) : errors.ToStatus();
  });
}

grpc::ServerUnaryReactor* TrainingService::ProbeNetwork(grpc::CallbackServerContext* context,
                                                        const v1::ProbeNetworkRequest* request,
                                                        v1::ProbeNetworkResponse* response) {
  return AnswerOn(*backend_.slow, context, [this, request, response](CallContext& call) -> absl::Status {
    core::FieldErrors::Root errors;
    std::optional<v1::Dataset> dataset;
    if (request->has_data()) {
      dataset = FindDataset(*backend_.folder, request->data().dataset(), errors.scope().At("data").At("dataset"));
    }
    internal::Task task;
    *task.mutable_probe() = core::ResolveProbe(*request, dataset.has_value() ? &*dataset : nullptr, errors.scope());
    if (!errors.ok()) return errors.ToStatus();
    if (dataset.has_value()) task.set_dataset_dir(absl::StrCat(backend_.folder->path(), "/", dataset->name()));
    task.set_threads(backend_.jobs->capacity().threads);
    auto result = backend_.tasks->Run(backend_.jobs->capacity().memory_bytes, std::move(task), call);
    if (!result.ok()) return result.status();
    *response = std::move(*result->mutable_probe());
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* TrainingService::ListComponents(grpc::CallbackServerContext* context,
                                                          const v1::ListComponentsRequest*,
                                                          v1::ListComponentsResponse* response) {
  return AnswerOn(*backend_.quick, context, [response](CallContext&) {
    *response = core::ListComponents();
    return absl::OkStatus();
  });
}

}  // namespace traind::server
