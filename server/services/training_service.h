// TrainingService on the job manager. Thread-safe; everything given to it outlives it.
#pragma once

#include <grpcpp/grpcpp.h>

#include "server/services/backend.h"
#include "traind/v1/training_service.grpc.pb.h"

namespace traind::server {

// WatchJob answers in bytes, so that a response that waits for its reader costs no more than them.
class TrainingService final
    : public v1::TrainingService::WithRawCallbackMethod_WatchJob<v1::TrainingService::CallbackService> {
 public:
  explicit TrainingService(const Backend& backend) : backend_(backend) {}

  grpc::ServerUnaryReactor* CreateJob(grpc::CallbackServerContext* context, const v1::CreateJobRequest* request,
                                      v1::Job* response) override;
  grpc::ServerUnaryReactor* GetJob(grpc::CallbackServerContext* context, const v1::GetJobRequest* request,
                                   v1::Job* response) override;
  grpc::ServerUnaryReactor* ListJobs(grpc::CallbackServerContext* context, const v1::ListJobsRequest* request,
                                     v1::ListJobsResponse* response) override;
  grpc::ServerWriteReactor<grpc::ByteBuffer>* WatchJob(grpc::CallbackServerContext* context,
                                                       const grpc::ByteBuffer* request) override;
  grpc::ServerUnaryReactor* GetSeries(grpc::CallbackServerContext* context, const v1::GetSeriesRequest* request,
                                      v1::Series* response) override;
  grpc::ServerUnaryReactor* ListFindings(grpc::CallbackServerContext* context, const v1::ListFindingsRequest* request,
                                         v1::ListFindingsResponse* response) override;
  grpc::ServerUnaryReactor* UpdateJob(grpc::CallbackServerContext* context, const v1::UpdateJobRequest* request,
                                      v1::Job* response) override;
  grpc::ServerUnaryReactor* CancelJob(grpc::CallbackServerContext* context, const v1::CancelJobRequest* request,
                                      v1::Job* response) override;
  grpc::ServerUnaryReactor* PauseJob(grpc::CallbackServerContext* context, const v1::PauseJobRequest* request,
                                     v1::Job* response) override;
  grpc::ServerUnaryReactor* ResumeJob(grpc::CallbackServerContext* context, const v1::ResumeJobRequest* request,
                                      v1::Job* response) override;
  grpc::ServerUnaryReactor* StopJob(grpc::CallbackServerContext* context, const v1::StopJobRequest* request,
                                    v1::Job* response) override;
  grpc::ServerUnaryReactor* ExtendJob(grpc::CallbackServerContext* context, const v1::ExtendJobRequest* request,
                                      v1::Job* response) override;
  grpc::ServerUnaryReactor* ForkJob(grpc::CallbackServerContext* context, const v1::ForkJobRequest* request,
                                    v1::Job* response) override;
  grpc::ServerUnaryReactor* DeleteJob(grpc::CallbackServerContext* context, const v1::DeleteJobRequest* request,
                                      google::protobuf::Empty* response) override;
  grpc::ServerUnaryReactor* DescribeNetwork(grpc::CallbackServerContext* context,
                                            const v1::DescribeNetworkRequest* request,
                                            v1::NetworkDescription* response) override;
  grpc::ServerUnaryReactor* ProbeNetwork(grpc::CallbackServerContext* context, const v1::ProbeNetworkRequest* request,
                                         v1::ProbeNetworkResponse* response) override;
  grpc::ServerUnaryReactor* ListComponents(grpc::CallbackServerContext* context,
                                           const v1::ListComponentsRequest* request,
                                           v1::ListComponentsResponse* response) override;

 private:
  // CancelJob, PauseJob, ResumeJob and StopJob.
  template <class Request>
  grpc::ServerUnaryReactor* Steer(absl::StatusOr<v1::Job> (JobManager::*verb)(const std::string&, const std::string&),
                                  grpc::CallbackServerContext* context, const Request* request, v1::Job* response);

  const Backend backend_;
};

}  // namespace traind::server
