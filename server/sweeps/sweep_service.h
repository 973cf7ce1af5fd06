// SweepService on the sweep manager. Thread-safe; everything given to it outlives it.
#pragma once

#include <grpcpp/grpcpp.h>

#include "server/services/backend.h"
#include "server/sweeps/sweep_manager.h"
#include "traind/v1/sweep_service.grpc.pb.h"

namespace traind::server {

class SweepService final : public v1::SweepService::CallbackService {
 public:
  SweepService(const Backend& backend, SweepManager* sweeps) : backend_(backend), sweeps_(sweeps) {}

  grpc::ServerUnaryReactor* CreateSweep(grpc::CallbackServerContext* context, const v1::CreateSweepRequest* request,
                                        v1::Sweep* response) override;
  grpc::ServerUnaryReactor* GetSweep(grpc::CallbackServerContext* context, const v1::GetSweepRequest* request,
                                     v1::Sweep* response) override;
  grpc::ServerUnaryReactor* ListSweeps(grpc::CallbackServerContext* context, const v1::ListSweepsRequest* request,
                                       v1::ListSweepsResponse* response) override;
  grpc::ServerUnaryReactor* UpdateSweep(grpc::CallbackServerContext* context, const v1::UpdateSweepRequest* request,
                                        v1::Sweep* response) override;
  grpc::ServerUnaryReactor* PauseSweep(grpc::CallbackServerContext* context, const v1::PauseSweepRequest* request,
                                       v1::Sweep* response) override;
  grpc::ServerUnaryReactor* ResumeSweep(grpc::CallbackServerContext* context, const v1::ResumeSweepRequest* request,
                                        v1::Sweep* response) override;
  grpc::ServerUnaryReactor* StopSweep(grpc::CallbackServerContext* context, const v1::StopSweepRequest* request,
                                      v1::Sweep* response) override;
  grpc::ServerUnaryReactor* CancelSweep(grpc::CallbackServerContext* context, const v1::CancelSweepRequest* request,
                                        v1::Sweep* response) override;
  grpc::ServerUnaryReactor* DeleteSweep(grpc::CallbackServerContext* context, const v1::DeleteSweepRequest* request,
                                        google::protobuf::Empty* response) override;
  grpc::ServerUnaryReactor* GetTrial(grpc::CallbackServerContext* context, const v1::GetTrialRequest* request,
                                     v1::Trial* response) override;
  grpc::ServerUnaryReactor* ListTrials(grpc::CallbackServerContext* context, const v1::ListTrialsRequest* request,
                                       v1::ListTrialsResponse* response) override;
  grpc::ServerUnaryReactor* ListSweepEntries(grpc::CallbackServerContext* context,
                                             const v1::ListSweepEntriesRequest* request,
                                             v1::ListSweepEntriesResponse* response) override;
  grpc::ServerUnaryReactor* RerunTrial(grpc::CallbackServerContext* context, const v1::RerunTrialRequest* request,
                                       v1::Trial* response) override;
  grpc::ServerUnaryReactor* CreateTrial(grpc::CallbackServerContext* context, const v1::CreateTrialRequest* request,
                                        v1::Trial* response) override;
  grpc::ServerUnaryReactor* SuggestTrials(grpc::CallbackServerContext* context, const v1::SuggestTrialsRequest* request,
                                          v1::SuggestTrialsResponse* response) override;
  grpc::ServerUnaryReactor* AddMeasurement(grpc::CallbackServerContext* context,
                                           const v1::AddMeasurementRequest* request, v1::Trial* response) override;
  grpc::ServerUnaryReactor* CompleteTrial(grpc::CallbackServerContext* context, const v1::CompleteTrialRequest* request,
                                          v1::Trial* response) override;
  grpc::ServerUnaryReactor* ShouldTrialStop(grpc::CallbackServerContext* context,
                                            const v1::ShouldTrialStopRequest* request,
                                            v1::ShouldTrialStopResponse* response) override;

 private:
  // PauseSweep, ResumeSweep, StopSweep and CancelSweep.
  template <class Request>
  grpc::ServerUnaryReactor* Steer(absl::StatusOr<v1::Sweep> (SweepManager::*verb)(const std::string&,
                                                                                  const std::string&),
                                  grpc::CallbackServerContext* context, const Request* request, v1::Sweep* response);
  // A call about one trial, `use(sweep id, number)`.
  template <class Request, class Response, class Use>
  grpc::ServerUnaryReactor* OfTrial(grpc::CallbackServerContext* context, const Request* request, Response* response,
                                    Use use);
  // A call about a sweep that the request's `parent` names.
  template <class Request, class Response, class Use>
  grpc::ServerUnaryReactor* OfParent(const Entrance& entrance, grpc::CallbackServerContext* context,
                                     const Request* request, Response* response, Use use);

  const Backend backend_;
  SweepManager* const sweeps_;
};

}  // namespace traind::server
