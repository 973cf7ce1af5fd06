// Client's calls of SweepService.
#include <utility>

#include "client/calls.h"

namespace traind::client {
namespace {

template <typename Request>
absl::StatusOr<v1::Sweep> SteerSweep(Connection& connection, Connection::Method<Request, v1::Sweep> method,
                                     const std::string& name, const std::string& etag) {
  // The etag of a change that was made and not heard of would make the second call ABORTED.
  return CallWith(connection, etag.empty(), method, Tagged<Request>(name, etag));
}

}  // namespace

absl::StatusOr<v1::Sweep> Client::CreateSweep(v1::CreateSweepRequest request) {
  return Make(*connection_, &Stub::CreateSweep, std::move(request));
}

absl::StatusOr<v1::Sweep> Client::GetSweep(const std::string& name) {
  return CallWith(*connection_, true, &Stub::GetSweep, Named<v1::GetSweepRequest>(name));
}

absl::StatusOr<std::vector<v1::Sweep>> Client::ListSweeps(const ListOptions& options) {
  return AllPages(
      *connection_, &Stub::ListSweeps, v1::ListSweepsRequest(), options,
      [](v1::ListSweepsResponse & page) -> auto& { return *page.mutable_sweeps(); });
}

absl::StatusOr<v1::Sweep> Client::UpdateSweep(const v1::UpdateSweepRequest& request) {
  return CallWith(*connection_, request.sweep().etag().empty(), &Stub::UpdateSweep, request);
}

absl::StatusOr<v1::Sweep> Client::PauseSweep(const std::string& name, const std::string& etag) {
  return SteerSweep(*connection_, &Stub::PauseSweep, name, etag);
}

absl::StatusOr<v1::Sweep> Client::ResumeSweep(const std::string& name, const std::string& etag) {
  return SteerSweep(*connection_, &Stub::ResumeSweep, name, etag);
}

absl::StatusOr<v1::Sweep> Client::StopSweep(const std::string& name, const std::string& etag) {
  return SteerSweep(*connection_, &Stub::StopSweep, name, etag);
}

absl::StatusOr<v1::Sweep> Client::CancelSweep(const std::string& name, const std::string& etag) {
  return SteerSweep(*connection_, &Stub::CancelSweep, name, etag);
}

absl::Status Client::DeleteSweep(const std::string& name, bool delete_jobs, const std::string& etag) {
  auto request = Tagged<v1::DeleteSweepRequest>(name, etag);
  request.set_delete_jobs(delete_jobs);
  return CallWith(*connection_, false, &Stub::DeleteSweep, request).status();
}

absl::StatusOr<v1::Trial> Client::GetTrial(const std::string& name) {
  return CallWith(*connection_, true, &Stub::GetTrial, Named<v1::GetTrialRequest>(name));
}

absl::StatusOr<std::vector<v1::Trial>> Client::ListTrials(const std::string& sweep, const ListOptions& options) {
  v1::ListTrialsRequest request;
  request.set_parent(sweep);
  return AllPages(
      *connection_, &Stub::ListTrials, std::move(request), options,
      [](v1::ListTrialsResponse & page) -> auto& { return *page.mutable_trials(); });
}

absl::StatusOr<std::vector<v1::SweepEntry>> Client::ListSweepEntries(const std::string& sweep, int64_t after_sequence) {
  std::vector<v1::SweepEntry> all;
  v1::ListSweepEntriesRequest request;
  request.set_parent(sweep);
  request.set_page_size(static_cast<int32_t>(kLargestPage));
  request.set_after_sequence(after_sequence);
  while (true) {
    absl::StatusOr<v1::ListSweepEntriesResponse> page = CallWith(*connection_, true, &Stub::ListSweepEntries, request);
    if (!page.ok()) return page.status();
    if (page->entries().empty()) return all;
    for (v1::SweepEntry& entry : *page->mutable_entries()) all.push_back(std::move(entry));
    request.set_after_sequence(all.back().sequence());
  }
}

absl::StatusOr<v1::Trial> Client::RerunTrial(const std::string& name) {
  return CallWith(*connection_, false, &Stub::RerunTrial, Named<v1::RerunTrialRequest>(name));
}

absl::StatusOr<v1::Trial> Client::CreateTrial(v1::CreateTrialRequest request) {
  return Make(*connection_, &Stub::CreateTrial, std::move(request));
}

absl::StatusOr<v1::SuggestTrialsResponse> Client::SuggestTrials(const v1::SuggestTrialsRequest& request) {
  return CallWith(*connection_, true, &Stub::SuggestTrials, request);
}

absl::StatusOr<v1::Trial> Client::AddMeasurement(const v1::AddMeasurementRequest& request) {
  return CallWith(*connection_, false, &Stub::AddMeasurement, request);
}

absl::StatusOr<v1::Trial> Client::CompleteTrial(const v1::CompleteTrialRequest& request) {
  return CallWith(*connection_, true, &Stub::CompleteTrial, request);
}

absl::StatusOr<v1::ShouldTrialStopResponse> Client::ShouldTrialStop(const std::string& name) {
  return CallWith(*connection_, true, &Stub::ShouldTrialStop, Named<v1::ShouldTrialStopRequest>(name));
}

}  // namespace traind::client
