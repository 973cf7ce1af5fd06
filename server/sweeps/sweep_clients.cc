// Ask and tell: trials that clients choose, and such that they train.
#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "core/base/enum_name.h"
#include "core/base/errors.h"
#include "core/search/space.h"
#include "server/resources/names.h"
#include "server/resources/paging.h"
#include "server/resources/quota.h"
#include "server/resources/request_id.h"
#include "server/sweeps/sweep_check.h"
#include "server/sweeps/sweep_manager.h"

namespace traind::server {
namespace {

constexpr size_t kLongestClient = 64;
constexpr size_t kLongestReason = 1000;
constexpr uint32_t kMostSuggestions = 64;

void CheckClient(const std::string& client, bool required, const core::FieldErrors& field) {
  if (required && client.empty()) field.Add("is required: who trains");
  if (client.size() > kLongestClient) field.Add("must have at most 64 characters");
}

absl::Status NoTrial(const std::string& id, const std::string& number) {
  return NotFoundError("Trial", absl::StrCat("sweeps/", id, "/trials/", number));
}

// In the order of the space, with `number` where it is one.
std::vector<v1::Assignment> InOrder(const v1::SweepSpec& spec, const v1::CreateTrialRequest& request) {
  std::vector<v1::Assignment> ordered;
  for (const v1::Parameter& parameter : spec.space()) {
    for (const v1::Assignment& given : request.assignments()) {
      if (given.parameter() == parameter.name()) ordered.push_back(core::AssignmentOf(parameter, given.value()));
    }
  }
  return ordered;
}

bool SameAssignments(const std::vector<v1::Assignment>& a, const std::vector<v1::Assignment>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const v1::Assignment& x, const v1::Assignment& y) {
    return x.parameter() == y.parameter() && x.value() == y.value();
  });
}

// As outcomes of a trial: NaN is NaN.
bool SameValue(const std::optional<double>& a, double b) {
  return a.has_value() && (*a == b || (std::isnan(*a) && std::isnan(b)));
}

}  // namespace

absl::StatusOr<SweepManager::LivePtr> SweepManager::FindForClient(const std::string& id, uint32_t trial) {
  auto live = Find(id);
  if (!live.ok()) return live.status();
  if (!(*live)->record.spec().trained_by_clients()) {
    return absl::FailedPreconditionError(
        absl::StrCat("the server trains the trials of sweeps/", id, "; with trained_by_clients clients do"));
  }
  if (trial != 0 && (*live)->search.Find(trial) == nullptr) return NoTrial(id, absl::StrCat(trial));
  return live;
}

absl::StatusOr<v1::Trial> SweepManager::CreateTrial(const v1::CreateTrialRequest& request, const std::string& id,
                                                    const core::StopCheck& stop) {
  core::FieldErrors::Root errors;
  CheckClient(request.client(), false, errors.scope("client"));
  CheckRequestId(request.request_id(), errors.scope());
  if (!errors.ok()) return errors.ToStatus();
  v1::Sweep sweep;
  std::vector<v1::Assignment> assignments;
  uint64_t total = 0;
  for (bool checked = false;; checked = true) {
    {
      absl::MutexLock lock(&mu_);
      auto found = Find(id);
      if (!found.ok()) return found.status();
      Live& live = **found;
      sweep = live.record;
      CheckAssignments(sweep.spec(), request.assignments(), errors.scope());
      if (!errors.ok()) return errors.ToStatus();
      assignments = InOrder(sweep.spec(), request);
      for (const core::SearchTrial& trial : live.search.trials()) {
        if (request.request_id().empty() || trial.request_id != request.request_id()) continue;
        if (SameAssignments(trial.assignments, assignments)) return PublicTrial(live, trial, true);
        return FieldError("request_id", "was that of a trial with other assignments");
      }
      if (!sweep.spec().has_external()) {
        return absl::FailedPreconditionError(
            absl::StrCat(sweep.name(), " chooses its trials by itself; one with `external` leaves it to clients"));
      }
      if (std::string why = live.search.WhyNoNewTrial(); !why.empty()) return absl::FailedPreconditionError(why);
      v1::SweepEntry entry;
      entry.set_trial(static_cast<uint32_t>(live.search.trials().size()) + 1);
      v1::TrialChosen& chosen = *entry.mutable_chosen();
      *chosen.mutable_assignments() = {assignments.begin(), assignments.end()};
      chosen.set_client(request.client());
      chosen.set_request_id(request.request_id());
      chosen.set_total_steps(total);
      if (checked || sweep.spec().trained_by_clients()) {
        if (request.validate_only()) {
          entry.set_sequence(live.search.last_sequence() + 1);
          core::Search next = live.search;
          if (absl::Status status = next.Apply(entry); !status.ok()) return status;
          return PublicTrial(live, next.trials().back(), true);
        }
        if (absl::Status status = Append(live, std::move(entry)); !status.ok()) return status;
        changed_ = true;
        return PublicTrial(live, live.search.trials().back(), true);
      }
    }
    // Checked without the lock: it plans a network.
    const auto spec = TrialSpec(sweep, 1, {assignments.begin(), assignments.end()});
    if (!spec.ok()) return FieldError("assignments", std::string(spec.status().message()));
    const auto job = jobs_->Check(*spec, {.owner = sweep.owner(), .sharing = sweep.sharing()}, stop);
    if (!job.ok()) return job.status();
    total = job->progress().total_steps();
  }
}

absl::StatusOr<v1::SuggestTrialsResponse> SweepManager::SuggestTrials(const v1::SuggestTrialsRequest& request,
                                                                      const std::string& id) {
  core::FieldErrors::Root errors;
  CheckClient(request.client(), true, errors.scope("client"));
  if (request.count() > kMostSuggestions) errors.scope("count").Add("must be from 1 to 64");
  if (!errors.ok()) return errors.ToStatus();
  const int wanted = static_cast<int>(std::max(request.count(), 1u));
  absl::MutexLock lock(&mu_);
  auto live = FindForClient(id, 0);
  if (!live.ok()) return live.status();
  if ((*live)->record.spec().has_external()) {
    return absl::FailedPreconditionError("with `external` clients choose: CreateTrial makes their trials");
  }
  v1::SuggestTrialsResponse response;
  const auto full = [&] { return response.trials_size() == wanted || response.ByteSizeLong() > kMaxPageBytes; };
  for (const core::SearchTrial& trial : (*live)->search.trials()) {
    if (full()) return response;
    if (trial.under_way() && trial.client == request.client())
      *response.add_trials() = PublicTrial(**live, trial, false);
  }
  if ((*live)->search.state() == v1::SWEEP_STATE_PAUSED) {
    return absl::FailedPreconditionError(absl::StrCat("sweeps/", id, " is PAUSED: resume it first"));
  }
  while (!full()) {
    core::Search::Suggestion next = (*live)->search.Suggest();
    response.set_done(next.done && response.trials().empty());
    if (!next.entry.has_value()) return response;
    next.entry->mutable_chosen()->set_client(request.client());
    if (absl::Status status = Append(**live, *std::move(next.entry)); !status.ok()) return status;
    *response.add_trials() = PublicTrial(**live, (*live)->search.trials().back(), false);
  }
  return response;
}

absl::StatusOr<v1::Trial> SweepManager::AddMeasurement(const v1::AddMeasurementRequest& request, const std::string& id,
                                                       const std::string& number) {
  uint32_t wanted = 0;
  if (!absl::SimpleAtoi(number, &wanted) || wanted == 0) return NoTrial(id, number);
  if (!request.has_measurement()) return FieldError("measurement", "is required");
  absl::MutexLock lock(&mu_);
  auto live = FindForClient(id, wanted);
  if (!live.ok()) return live.status();
  const core::SearchTrial& trial = *(*live)->search.Find(wanted);
  if (!trial.under_way()) {
    return absl::FailedPreconditionError(absl::StrCat("the trial is ", core::EnumName(trial.state)));
  }
  if (!trial.measurements.empty() && trial.measurements.back().step() >= request.measurement().step()) {
    return FieldError("measurement.step",
                      absl::StrCat("must be above ", trial.measurements.back().step(), ", that of the one before"));
  }
  if (trial.measurements.size() >= core::kMostMeasurements) {
    return QuotaError("server", "the trial has 1000 measurements, as many as are kept");
  }
  v1::SweepEntry entry;
  entry.set_trial(wanted);
  *entry.mutable_measured()->mutable_measurement() = request.measurement();
  if (absl::Status status = Append(**live, std::move(entry)); !status.ok()) return status;
  return PublicTrial(**live, *(*live)->search.Find(wanted), true);
}

absl::StatusOr<v1::Trial> SweepManager::CompleteTrial(const v1::CompleteTrialRequest& request, const std::string& id,
                                                      const std::string& number) {
  uint32_t wanted = 0;
  if (!absl::SimpleAtoi(number, &wanted) || wanted == 0) return NoTrial(id, number);
  absl::MutexLock lock(&mu_);
  auto live = FindForClient(id, wanted);
  if (!live.ok()) return live.status();
  const core::Search& search = (*live)->search;
  const core::SearchTrial& trial = *search.Find(wanted);
  v1::SweepEntry entry;
  entry.set_trial(wanted);
  v1::TrialArrived& arrived = *entry.mutable_arrived();
  arrived.set_state(request.stopped() ? v1::TRIAL_STATE_STOPPED : v1::TRIAL_STATE_SUCCEEDED);
  arrived.set_step(trial.step);
  if (request.stopped()) arrived.set_reason("its client has stopped it");
  v1::Measurement final = request.final();
  switch (request.outcome_case()) {
    case v1::CompleteTrialRequest::kFinal:
      break;
    case v1::CompleteTrialRequest::kInfeasibleReason:
      if (request.infeasible_reason().size() > kLongestReason) {
        return FieldError("infeasible_reason", "must have at most 1000 characters");
      }
      arrived.set_state(v1::TRIAL_STATE_FAILED);
      arrived.mutable_error()->set_code(static_cast<int>(absl::StatusCode::kUnknown));
      arrived.mutable_error()->set_message(request.infeasible_reason());
      break;
    case v1::CompleteTrialRequest::kFromMeasurements:
      if (!request.from_measurements()) return FieldError("from_measurements", "must be true");
      if (trial.measurements.empty()) return FieldError("from_measurements", "the trial has no measurements");
      final = trial.measurements.back();
      if (search.spec().objective().value() == v1::Objective::VALUE_BEST) {
        for (const v1::Measurement& one : trial.measurements) {
          if (search.Better(one.value(), final.value())) final = one;
        }
      }
      break;
    case v1::CompleteTrialRequest::OUTCOME_NOT_SET:
      return FieldError("final", "is required, or infeasible_reason, or from_measurements");
  }
  if (arrived.state() != v1::TRIAL_STATE_FAILED) {
    arrived.set_objective(final.value());
    arrived.set_objective_step(final.step());
    arrived.set_step(std::max(trial.step, final.step()));
  }
  if (!trial.under_way()) {
    const bool same = trial.state == arrived.state() &&
                      (trial.state == v1::TRIAL_STATE_FAILED ? trial.error.message() == arrived.error().message()
                                                             : SameValue(trial.objective, arrived.objective()));
    if (same) return PublicTrial(**live, trial, true);
    return absl::FailedPreconditionError(absl::StrCat("the trial is ", core::EnumName(trial.state), " already"));
  }
  if (absl::Status status = Append(**live, std::move(entry)); !status.ok()) return status;
  changed_ = true;
  return PublicTrial(**live, *(*live)->search.Find(wanted), true);
}

absl::StatusOr<v1::ShouldTrialStopResponse> SweepManager::ShouldTrialStop(const std::string& id,
                                                                          const std::string& number) {
  uint32_t wanted = 0;
  absl::MutexLock lock(&mu_);
  auto live = Find(id);
  if (!live.ok()) return live.status();
  if (!absl::SimpleAtoi(number, &wanted) || (*live)->search.Find(wanted) == nullptr) return NoTrial(id, number);
  v1::ShouldTrialStopResponse response;
  response.set_reason((*live)->search.WhyStop(wanted));
  const v1::SweepState state = (*live)->search.state();
  if (state == v1::SWEEP_STATE_STOPPING || state == v1::SWEEP_STATE_CANCELLING)
    response.set_reason("the sweep is over");
  response.set_should_stop(!response.reason().empty());
  return response;
}

}  // namespace traind::server
