#include "server/sweeps/sweep_service.h"

#include <functional>
#include <string>
#include <type_traits>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/resources/names.h"
#include "server/rpc/unary_call.h"

namespace traind::server {
namespace {

// The two ids in "sweeps/{id}/trials/{number}".
struct TrialName {
  std::string sweep;
  std::string number;  // Digits; or "best".
};

// `best`: whether the number may be "best".
absl::StatusOr<TrialName> ParseTrialName(absl::string_view name, bool best) {
  constexpr absl::string_view kTrials = "/trials/";
  const size_t at = name.find(kTrials);
  const auto sweep = ParseName("sweeps", name.substr(0, at), "name");
  const absl::string_view number = at == name.npos ? "" : name.substr(at + kTrials.size());
  const bool counted = !number.empty() && number[0] != '0' && number.find_first_not_of("0123456789") == number.npos;
  if (!sweep.ok() || !(counted || (best && number == "best"))) {
    return FieldError("name", absl::StrCat("must be \"sweeps/{id}/trials/{number}\" with a number from 1",
                                           best ? ", or \"best\"" : ""));
  }
  return TrialName{.sweep = *sweep, .number = std::string(number)};
}

}  // namespace

grpc::ServerUnaryReactor* SweepService::CreateSweep(grpc::CallbackServerContext* context,
                                                    const v1::CreateSweepRequest* request, v1::Sweep* response) {
  return AnswerOn(*backend_.making, context, *request, [this, request, response](CallContext& call) {
    return Give(sweeps_->Create(*request, call.caller(), [&] { return call.Check(); }), response);
  });
}

grpc::ServerUnaryReactor* SweepService::GetSweep(grpc::CallbackServerContext* context,
                                                 const v1::GetSweepRequest* request, v1::Sweep* response) {
  return AnswerOn(*backend_.quick, context, *request, [this, request, response](CallContext&) -> absl::Status {
    const auto id = ParseName("sweeps", request->name(), "name");
    return id.ok() ? Give(sweeps_->Get(*id), response) : id.status();
  });
}

grpc::ServerUnaryReactor* SweepService::ListSweeps(grpc::CallbackServerContext* context,
                                                   const v1::ListSweepsRequest* request,
                                                   v1::ListSweepsResponse* response) {
  return AnswerOn(*backend_.files, context, *request, [this, request, response](CallContext& call) {
    return Give(sweeps_->List(*request, call.caller()), response);
  });
}

grpc::ServerUnaryReactor* SweepService::UpdateSweep(grpc::CallbackServerContext* context,
                                                    const v1::UpdateSweepRequest* request, v1::Sweep* response) {
  return AnswerOn(*backend_.files, context, *request,
                  [this, request, response](CallContext&) { return Give(sweeps_->Update(*request), response); });
}

template <class Request>
grpc::ServerUnaryReactor* SweepService::Steer(absl::StatusOr<v1::Sweep> (SweepManager::*verb)(const std::string&,
                                                                                              const std::string&),
                                              grpc::CallbackServerContext* context, const Request* request,
                                              v1::Sweep* response) {
  return AnswerOn(*backend_.quick, context, *request, [this, verb, request, response](CallContext&) -> absl::Status {
    const auto id = ParseName("sweeps", request->name(), "name");
    if (!id.ok()) return id.status();
    return Give(std::invoke(verb, sweeps_, *id, request->etag()), response);
  });
}

grpc::ServerUnaryReactor* SweepService::PauseSweep(grpc::CallbackServerContext* context,
                                                   const v1::PauseSweepRequest* request, v1::Sweep* response) {
  return Steer(&SweepManager::Pause, context, request, response);
}

grpc::ServerUnaryReactor* SweepService::ResumeSweep(grpc::CallbackServerContext* context,
                                                    const v1::ResumeSweepRequest* request, v1::Sweep* response) {
  return Steer(&SweepManager::Resume, context, request, response);
}

grpc::ServerUnaryReactor* SweepService::StopSweep(grpc::CallbackServerContext* context,
                                                  const v1::StopSweepRequest* request, v1::Sweep* response) {
  return Steer(&SweepManager::Stop, context, request, response);
}

grpc::ServerUnaryReactor* SweepService::CancelSweep(grpc::CallbackServerContext* context,
                                                    const v1::CancelSweepRequest* request, v1::Sweep* response) {
  return Steer(&SweepManager::Cancel, context, request, response);
}

grpc::ServerUnaryReactor* SweepService::DeleteSweep(grpc::CallbackServerContext* context,
                                                    const v1::DeleteSweepRequest* request, google::protobuf::Empty*) {
  return AnswerOn(*backend_.removing, context, *request, [this, request](CallContext&) -> absl::Status {
    const auto id = ParseName("sweeps", request->name(), "name");
    return id.ok() ? sweeps_->Delete(*request, *id) : id.status();
  });
}

template <class Request, class Response, class Use>
grpc::ServerUnaryReactor* SweepService::OfTrial(grpc::CallbackServerContext* context, const Request* request,
                                                Response* response, Use use) {
  return AnswerOn(*backend_.quick, context, *request, [request, response, use](CallContext&) -> absl::Status {
    const auto name = ParseTrialName(request->name(), std::is_same_v<Request, v1::GetTrialRequest>);
    return name.ok() ? Give(use(name->sweep, name->number), response) : name.status();
  });
}

template <class Request, class Response, class Use>
grpc::ServerUnaryReactor* SweepService::OfParent(const Entrance& entrance, grpc::CallbackServerContext* context,
                                                 const Request* request, Response* response, Use use) {
  return AnswerOn(entrance, context, *request, [request, response, use](CallContext& call) -> absl::Status {
    const auto id = ParseName("sweeps", request->parent(), "parent");
    return id.ok() ? Give(use(*id, call), response) : id.status();
  });
}

grpc::ServerUnaryReactor* SweepService::GetTrial(grpc::CallbackServerContext* context,
                                                 const v1::GetTrialRequest* request, v1::Trial* response) {
  return OfTrial(context, request, response, [this](const std::string& sweep, const std::string& number) {
    return sweeps_->GetTrial(sweep, number);
  });
}

grpc::ServerUnaryReactor* SweepService::ListTrials(grpc::CallbackServerContext* context,
                                                   const v1::ListTrialsRequest* request,
                                                   v1::ListTrialsResponse* response) {
  return OfParent(*backend_.files, context, request, response,
                  [this, request](const std::string& id, CallContext&) { return sweeps_->ListTrials(*request, id); });
}

grpc::ServerUnaryReactor* SweepService::ListSweepEntries(grpc::CallbackServerContext* context,
                                                         const v1::ListSweepEntriesRequest* request,
                                                         v1::ListSweepEntriesResponse* response) {
  return OfParent(*backend_.quick, context, request, response,
                  [this, request](const std::string& id, CallContext&) { return sweeps_->ListEntries(*request, id); });
}

grpc::ServerUnaryReactor* SweepService::RerunTrial(grpc::CallbackServerContext* context,
                                                   const v1::RerunTrialRequest* request, v1::Trial* response) {
  return OfTrial(context, request, response, [this](const std::string& sweep, const std::string& number) {
    return sweeps_->RerunTrial(sweep, number);
  });
}

grpc::ServerUnaryReactor* SweepService::CreateTrial(grpc::CallbackServerContext* context,
                                                    const v1::CreateTrialRequest* request, v1::Trial* response) {
  return OfParent(*backend_.making, context, request, response,
                  [this, request](const std::string& id, CallContext& call) {
                    return sweeps_->CreateTrial(*request, id, [&] { return call.Check(); });
                  });
}

grpc::ServerUnaryReactor* SweepService::SuggestTrials(grpc::CallbackServerContext* context,
                                                      const v1::SuggestTrialsRequest* request,
                                                      v1::SuggestTrialsResponse* response) {
  return OfParent(*backend_.quick, context, request, response, [this, request](const std::string& id, CallContext&) {
    return sweeps_->SuggestTrials(*request, id);
  });
}

grpc::ServerUnaryReactor* SweepService::AddMeasurement(grpc::CallbackServerContext* context,
                                                       const v1::AddMeasurementRequest* request, v1::Trial* response) {
  return OfTrial(context, request, response, [this, request](const std::string& sweep, const std::string& number) {
    return sweeps_->AddMeasurement(*request, sweep, number);
  });
}

grpc::ServerUnaryReactor* SweepService::CompleteTrial(grpc::CallbackServerContext* context,
                                                      const v1::CompleteTrialRequest* request, v1::Trial* response) {
  return OfTrial(context, request, response, [this, request](const std::string& sweep, const std::string& number) {
    return sweeps_->CompleteTrial(*request, sweep, number);
  });
}

grpc::ServerUnaryReactor* SweepService::ShouldTrialStop(grpc::CallbackServerContext* context,
                                                        const v1::ShouldTrialStopRequest* request,
                                                        v1::ShouldTrialStopResponse* response) {
  return OfTrial(context, request, response, [this](const std::string& sweep, const std::string& number) {
    return sweeps_->ShouldTrialStop(sweep, number);
  });
}

}  // namespace traind::server
