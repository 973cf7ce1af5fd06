#include "server/services/training_service.h"

#include <functional>
#include <map>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/catalogue/components.h"
#include "core/job/network_from.h"
#include "core/job/resolve.h"
#include "server/resources/answer_size.h"
#include "server/resources/job_view.h"
#include "server/resources/names.h"
#include "server/resources/paging.h"
#include "server/rpc/unary_call.h"
#include "server/services/admission.h"
#include "server/services/continuation.h"
#include "server/services/findings.h"
#include "server/services/network_from.h"
#include "server/services/series.h"
#include "server/services/watch_call.h"
#include "server/services/watch_request.h"

namespace traind::server {
namespace {

// The job as the view has it, or the error.
absl::Status Show(absl::StatusOr<v1::Job> job, v1::JobView view, v1::Job* response) {
  if (job.ok()) ApplyView(view, v1::JOB_VIEW_SPEC, *job);
  return Give(std::move(job), response);
}

// Of the jobs for which others wait, leaves those that the caller may read. Of one call.
class Hider {
 public:
  Hider(JobStore& store, const Caller& caller) : store_(store), caller_(caller) {}

  void HideOthers(v1::Job& job) {
    if (caller_.IsAdmin() || !job.has_queue()) return;
    google::protobuf::RepeatedPtrField<std::string> shown;
    for (const std::string& name : job.queue().blocked_by()) {
      if (IsReadable(name)) *shown.Add() = name;
    }
    *job.mutable_queue()->mutable_blocked_by() = std::move(shown);
  }

 private:
  // The same few jobs stand before many.
  bool IsReadable(const std::string& name) {
    const auto known = readable_.find(name);
    if (known != readable_.end()) return known->second;
    const auto job = store_.GetJob(std::string(IdOf(name)));
    return readable_[name] = job.ok() && MayRead(caller_, OwnershipOf(job->job));
  }

  JobStore& store_;
  const Caller& caller_;
  std::map<std::string, bool> readable_;
};

// In the order of the registries, for which a component's number is the key.
const Collection& ComponentCollection() {
  static const Collection kCollection{.name = "components",
                                      .fields = {{v1::Component::descriptor(), {"category", "name", "message"}}},
                                      .default_page_size = kMaxPageSize};
  return kCollection;
}

}  // namespace

grpc::ServerUnaryReactor* TrainingService::CreateJob(grpc::CallbackServerContext* context,
                                                     const v1::CreateJobRequest* request, v1::Job* response) {
  return AnswerOn(*backend_.making, context, *request, [this, request, response](CallContext& call) -> absl::Status {
    const auto threads = DefaultThreads(backend_, call.caller());
    if (!threads.ok()) return threads.status();
    const auto admit = [&](const v1::CreateJobRequest& wanted) {
      return Admit(wanted, *backend_.folder, backend_.jobs->capacity().threads, *threads, [&] { return call.Check(); });
    };
    return Show(backend_.jobs->Create(*request, admit, call.caller()), request->view(), response);
  });
}

grpc::ServerUnaryReactor* TrainingService::GetJob(grpc::CallbackServerContext* context,
                                                  const v1::GetJobRequest* request, v1::Job* response) {
  return AnswerOn(*backend_.quick, context, *request, [this, request, response](CallContext& call) -> absl::Status {
    core::FieldErrors::Root errors;
    CheckView(request->view(), errors.scope().At("view"));
    if (!errors.ok()) return errors.ToStatus();
    auto id = ParseName("jobs", request->name(), "name");
    if (!id.ok()) return id.status();
    const absl::Status status = Show(backend_.jobs->Get(*id), request->view(), response);
    Hider(*backend_.store, call.caller()).HideOthers(*response);
    return status;
  });
}

grpc::ServerUnaryReactor* TrainingService::ListJobs(grpc::CallbackServerContext* context,
                                                    const v1::ListJobsRequest* request,
                                                    v1::ListJobsResponse* response) {
  return AnswerOn(*backend_.quick, context, *request, [this, request, response](CallContext& call) {
    const absl::Status status = Give(backend_.jobs->List(*request, call.caller()), response);
    Hider hider(*backend_.store, call.caller());
    for (v1::Job& job : *response->mutable_jobs()) hider.HideOthers(job);
    return status;
  });
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* TrainingService::WatchJob(grpc::CallbackServerContext* context,
                                                                      const grpc::ByteBuffer* request) {
  return server::WatchJob(*backend_.quick, *backend_.store, *backend_.log, *backend_.watchers, context, *request);
}

// On threads of their own kind: it reads as much as the job has said.
grpc::ServerUnaryReactor* TrainingService::GetSeries(grpc::CallbackServerContext* context,
                                                     const v1::GetSeriesRequest* request, v1::Series* response) {
  return AnswerOn(*backend_.files, context, *request, [this, request, response](CallContext& call) -> absl::Status {
    core::FieldErrors::Root errors;
    CheckSeriesRequest(*request, errors.scope());
    if (!errors.ok()) return errors.ToStatus();
    auto id = ParseName("jobs", request->name(), "name");
    if (!id.ok()) return id.status();
    const auto job = backend_.store->GetJob(*id);
    if (!job.ok()) return job.status();
    CheckLayersOf(request->name(), request->layers(), job->job.resolved_spec().network(), errors.scope());
    if (!errors.ok()) return errors.ToStatus();
    return Give(ReadSeries(*request, *backend_.log, job->key, job->job.last_sequence(), [&] { return call.Check(); }),
                response);
  });
}

// As GetSeries: the store goes through all events to find a few.
grpc::ServerUnaryReactor* TrainingService::ListFindings(grpc::CallbackServerContext* context,
                                                        const v1::ListFindingsRequest* request,
                                                        v1::ListFindingsResponse* response) {
  return AnswerOn(*backend_.files, context, *request, [this, request, response](CallContext& call) -> absl::Status {
    auto id = ParseName("jobs", request->parent(), "parent");
    if (!id.ok()) return id.status();
    const auto job = backend_.store->GetJob(*id);
    if (!job.ok()) return job.status();
    auto findings = ReadFindings(*backend_.log, job->key, job->job.last_sequence(), request->with_resolved(),
                                 [&] { return call.Check(); });
    return Give(std::move(findings), response);
  });
}

grpc::ServerUnaryReactor* TrainingService::UpdateJob(grpc::CallbackServerContext* context,
                                                     const v1::UpdateJobRequest* request, v1::Job* response) {
  return AnswerOn(*backend_.quick, context, *request, [this, request, response](CallContext&) {
    return Show(backend_.jobs->Update(*request), v1::JOB_VIEW_UNSPECIFIED, response);
  });
}

template <class Request>
grpc::ServerUnaryReactor* TrainingService::Steer(absl::StatusOr<v1::Job> (JobManager::*verb)(const std::string&,
                                                                                             const std::string&),
                                                 grpc::CallbackServerContext* context, const Request* request,
                                                 v1::Job* response) {
  return AnswerOn(*backend_.quick, context, *request, [this, verb, request, response](CallContext&) -> absl::Status {
    auto id = ParseName("jobs", request->name(), "name");
    if (!id.ok()) return id.status();
    return Show(std::invoke(verb, backend_.jobs, *id, request->etag()), v1::JOB_VIEW_UNSPECIFIED, response);
  });
}

grpc::ServerUnaryReactor* TrainingService::CancelJob(grpc::CallbackServerContext* context,
                                                     const v1::CancelJobRequest* request, v1::Job* response) {
  return Steer(&JobManager::Cancel, context, request, response);
}

grpc::ServerUnaryReactor* TrainingService::PauseJob(grpc::CallbackServerContext* context,
                                                    const v1::PauseJobRequest* request, v1::Job* response) {
  return Steer(&JobManager::Pause, context, request, response);
}

grpc::ServerUnaryReactor* TrainingService::ResumeJob(grpc::CallbackServerContext* context,
                                                     const v1::ResumeJobRequest* request, v1::Job* response) {
  return Steer(&JobManager::Resume, context, request, response);
}

grpc::ServerUnaryReactor* TrainingService::StopJob(grpc::CallbackServerContext* context,
                                                   const v1::StopJobRequest* request, v1::Job* response) {
  return Steer(&JobManager::Stop, context, request, response);
}

grpc::ServerUnaryReactor* TrainingService::ExtendJob(grpc::CallbackServerContext* context,
                                                     const v1::ExtendJobRequest* request, v1::Job* response) {
  return AnswerOn(*backend_.making, context, *request, [this, request, response](CallContext&) -> absl::Status {
    auto id = ParseName("jobs", request->name(), "name");
    if (!id.ok()) return id.status();
    const auto extend = [this, request](v1::Job job) {
      return ExtendedJob(std::move(job), *request, *backend_.folder);
    };
    return Show(backend_.jobs->Extend(*id, *request, extend), v1::JOB_VIEW_UNSPECIFIED, response);
  });
}

grpc::ServerUnaryReactor* TrainingService::ForkJob(grpc::CallbackServerContext* context,
                                                   const v1::ForkJobRequest* request, v1::Job* response) {
  return AnswerOn(*backend_.making, context, *request, [this, request, response](CallContext& call) -> absl::Status {
    const auto threads = DefaultThreads(backend_, call.caller());
    if (!threads.ok()) return threads.status();
    const auto admit = [&](const v1::ForkJobRequest& wanted) {
      return AdmitFork(wanted, *backend_.store, *backend_.folder, backend_.jobs->capacity().threads, *threads,
                       [&] { return call.Check(); });
    };
    return Show(backend_.jobs->Fork(*request, admit, call.caller()), request->view(), response);
  });
}

grpc::ServerUnaryReactor* TrainingService::DeleteJob(grpc::CallbackServerContext* context,
                                                     const v1::DeleteJobRequest* request, google::protobuf::Empty*) {
  return AnswerOn(*backend_.removing, context, *request, [this, request](CallContext&) -> absl::Status {
    auto id = ParseName("jobs", request->name(), "name");
    return id.ok() ? backend_.jobs->Delete(*id, request->etag()) : id.status();
  });
}

grpc::ServerUnaryReactor* TrainingService::DescribeNetwork(grpc::CallbackServerContext* context,
                                                           const v1::DescribeNetworkRequest* request,
                                                           v1::NetworkDescription* response) {
  return AnswerOn(*backend_.planning, context, *request, [this, request, response](CallContext& call) -> absl::Status {
    core::FieldErrors::Root errors, found;
    v1::DescribeNetworkRequest wanted = *request;
    const auto taken = TakeNetwork(*backend_.folder, *wanted.mutable_network(), errors.scope("network"));
    if (!taken.ok()) return taken.status();
    if (!errors.ok()) return errors.ToStatus();
    auto description = core::DescribeNetwork(wanted, found.scope(), [&] { return call.Check(); });
    core::AddAsWritten(found.violations(), "network", taken->names.size(), errors.scope());
    if (!errors.ok()) return errors.ToStatus();
    if (!description.ok()) return description.status();
    *response = *std::move(description);
    if (!request->expanded()) response->clear_expanded();
    return CheckAnswerSize(*response, request->expanded() ? "ask without `expanded`, or for a part of the network"
                                                          : "ask for a part of the network");
  });
}

grpc::ServerUnaryReactor* TrainingService::ProbeNetwork(grpc::CallbackServerContext* context,
                                                        const v1::ProbeNetworkRequest* request,
                                                        v1::ProbeNetworkResponse* response) {
  return AnswerOn(*backend_.asking, context, *request, [this, request, response](CallContext& call) -> absl::Status {
    core::FieldErrors::Root errors;
    std::optional<v1::Dataset> dataset;
    if (request->has_data()) {
      dataset = FindDataset(*backend_.folder, request->data().dataset(), errors.scope().At("data").At("dataset"));
    }
    core::FieldErrors::Root found;
    v1::ProbeNetworkRequest wanted = *request;
    const auto taken = TakeNetwork(*backend_.folder, *wanted.mutable_network(), errors.scope("network"));
    if (!taken.ok()) return taken.status();
    if (!errors.ok()) return errors.ToStatus();
    internal::Task task;
    *task.mutable_probe() = core::ResolveProbe(wanted, dataset.has_value() ? &*dataset : nullptr, found.scope());
    core::AddAsWritten(found.violations(), "network", taken->names.size(), errors.scope());
    if (!errors.ok()) return errors.ToStatus();
    if (dataset.has_value()) task.set_dataset_dir(absl::StrCat(backend_.folder->path(), "/", dataset->name()));
    task.set_threads(backend_.jobs->capacity().threads);
    auto result = backend_.tasks->Run(Budget::kNotCounted, std::move(task), call);
    if (!result.ok()) return result.status();
    *response = std::move(*result->mutable_probe());
    return CheckAnswerSize(*response, "ask for fewer histogram_bins, or for a part of the network");
  });
}

grpc::ServerUnaryReactor* TrainingService::ListComponents(grpc::CallbackServerContext* context,
                                                          const v1::ListComponentsRequest* request,
                                                          v1::ListComponentsResponse* response) {
  return AnswerOn(*backend_.quick, context, *request, [request, response](CallContext&) -> absl::Status {
    core::FieldErrors::Root errors;
    const ListQuery query = ListQuery::Parse(ListRequestOf(*request), ComponentCollection(), errors.scope());
    if (!errors.ok()) return errors.ToStatus();
    v1::ListComponentsResponse all = core::ListComponents();
    Page<v1::Component> page(query);
    for (int i = 0; i < all.components_size(); ++i) {
      page.Offer(std::move(*all.mutable_components(i)), std::make_pair(int64_t{i}, int32_t{0}));
    }
    page.MoveTo(*response->mutable_components(), *response->mutable_next_page_token());
    return absl::OkStatus();
  });
}

}  // namespace traind::server
