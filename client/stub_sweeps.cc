// The calls of SweepService.
#include "client/stub_services.h"

namespace traind::client {

absl::StatusOr<v1::Sweep> Stub::CreateSweep(const v1::CreateSweepRequest& request, absl::Time deadline) {
  return Call(services_->sweeps, &v1::SweepService::Stub::CreateSweep, request, deadline);
}
absl::StatusOr<v1::Sweep> Stub::GetSweep(const v1::GetSweepRequest& request, absl::Time deadline) {
  return Call(services_->sweeps, &v1::SweepService::Stub::GetSweep, request, deadline);
}
absl::StatusOr<v1::ListSweepsResponse> Stub::ListSweeps(const v1::ListSweepsRequest& request, absl::Time deadline) {
  return Call(services_->sweeps, &v1::SweepService::Stub::ListSweeps, request, deadline);
}
absl::StatusOr<v1::Sweep> Stub::UpdateSweep(const v1::UpdateSweepRequest& request, absl::Time deadline) {
  return Call(services_->sweeps, &v1::SweepService::Stub::UpdateSweep, request, deadline);
}
absl::StatusOr<v1::Sweep> Stub::PauseSweep(const v1::PauseSweepRequest& request, absl::Time deadline) {
  return Call(services_->sweeps, &v1::SweepService::Stub::PauseSweep, request, deadline);
}
absl::StatusOr<v1::Sweep> Stub::ResumeSweep(const v1::ResumeSweepRequest& request, absl::Time deadline) {
  return Call(services_->sweeps, &v1::SweepService::Stub::ResumeSweep, request, deadline);
}
absl::StatusOr<v1::Sweep> Stub::StopSweep(const v1::StopSweepRequest& request, absl::Time deadline) {
  return Call(services_->sweeps, &v1::SweepService::Stub::StopSweep, request, deadline);
}
absl::StatusOr<v1::Sweep> Stub::CancelSweep(const v1::CancelSweepRequest& request, absl::Time deadline) {
  return Call(services_->sweeps, &v1::SweepService::Stub::CancelSweep, request, deadline);
}
absl::StatusOr<google::protobuf::Empty> Stub::DeleteSweep(const v1::DeleteSweepRequest& request, absl::Time deadline) {
  return Call(services_->sweeps, &v1::SweepService::Stub::DeleteSweep, request, deadline);
}
absl::StatusOr<v1::Trial> Stub::GetTrial(const v1::GetTrialRequest& request, absl::Time deadline) {
  return Call(services_->sweeps, &v1::SweepService::Stub::GetTrial, request, deadline);
}
absl::StatusOr<v1::ListTrialsResponse> Stub::ListTrials(const v1::ListTrialsRequest& request, absl::Time deadline) {
  return Call(services_->sweeps, &v1::SweepService::Stub::ListTrials, request, deadline);
}
absl::StatusOr<v1::ListSweepEntriesResponse> Stub::ListSweepEntries(const v1::ListSweepEntriesRequest& request,
                                                                    absl::Time deadline) {
  return Call(services_->sweeps, &v1::SweepService::Stub::ListSweepEntries, request, deadline);
}
absl::StatusOr<v1::Trial> Stub::RerunTrial(const v1::RerunTrialRequest& request, absl::Time deadline) {
  return Call(services_->sweeps, &v1::SweepService::Stub::RerunTrial, request, deadline);
}
absl::StatusOr<v1::Trial> Stub::CreateTrial(const v1::CreateTrialRequest& request, absl::Time deadline) {
  return Call(services_->sweeps, &v1::SweepService::Stub::CreateTrial, request, deadline);
}
absl::StatusOr<v1::SuggestTrialsResponse> Stub::SuggestTrials(const v1::SuggestTrialsRequest& request,
                                                              absl::Time deadline) {
  return Call(services_->sweeps, &v1::SweepService::Stub::SuggestTrials, request, deadline);
}
absl::StatusOr<v1::Trial> Stub::AddMeasurement(const v1::AddMeasurementRequest& request, absl::Time deadline) {
  return Call(services_->sweeps, &v1::SweepService::Stub::AddMeasurement, request, deadline);
}
absl::StatusOr<v1::Trial> Stub::CompleteTrial(const v1::CompleteTrialRequest& request, absl::Time deadline) {
  return Call(services_->sweeps, &v1::SweepService::Stub::CompleteTrial, request, deadline);
}
absl::StatusOr<v1::ShouldTrialStopResponse> Stub::ShouldTrialStop(const v1::ShouldTrialStopRequest& request,
                                                                  absl::Time deadline) {
  return Call(services_->sweeps, &v1::SweepService::Stub::ShouldTrialStop, request, deadline);
}

}  // namespace traind::client
