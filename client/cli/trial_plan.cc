#include "client/cli/trial_plan.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/fix.h"
#include "client/names.h"
#include "client/suggest.h"

namespace traind::client {
namespace {

constexpr uint64_t kLeastSteps = 100;
constexpr uint64_t kMostAtStart = 1000;  // Of a finding that came before the first step, a tenth of the job at most.
constexpr uint64_t kMetrics = 40;        // TRAIN events of a trial, at least: a quarter of them is compared.
constexpr uint64_t kEvaluations = 4;     // Of a trial that is judged by them.
constexpr size_t kMostId = 63;           // Characters of a job's id.
constexpr int kMostTrials = 99;          // Of one job, by their names.

// The step at which the finding came to be open; 0: before the first, or it is not known.
absl::StatusOr<uint64_t> OpenedAt(Client& client, const v1::Job& job, const v1::Finding& finding) {
  v1::WatchJobRequest request;
  request.set_name(job.name());
  request.set_uid(job.uid());
  request.set_until_now(true);
  request.add_kinds(v1::EVENT_KIND_FINDING);
  const std::unique_ptr<JobWatch> watch = client.WatchJob(request);
  while (watch->last_sequence() < job.last_sequence()) {
    const absl::StatusOr<std::optional<v1::Event>> event = watch->Next();
    if (!event.ok()) return event.status();
    if (!event->has_value()) break;
    const v1::Finding& told = (*event)->finding();
    if (told.id() == finding.id() && told.state() == v1::Finding::STATE_OPEN && told.severity() >= finding.severity()) {
      return (*event)->step();
    }
  }
  return finding.last_step();
}

// The cadence in steps; 0: nothing is evaluated before the end.
uint64_t EvaluationCadence(const FoundFault& fault) {
  const v1::JobSpec& resolved = fault.resolved;
  if (resolved.data().evaluation_split() == "none") return 0;
  if (resolved.evaluation().has_every_steps()) return resolved.evaluation().every_steps();
  return fault.job.progress().steps_per_epoch();
}

absl::Status ChooseStart(Client& client, const FoundFault& fault, TrialPlan& plan) {
  const v1::Finding& finding = fault.finding;
  if (const auto path = ReadAtStart(finding.fix().mask())) {
    plan.why = absl::StrCat(*path, " is read only at the start");
    return absl::OkStatus();
  }
  if (finding.first_step() == 0) {
    plan.why = "the finding was there before the first step";
  } else {
    const absl::StatusOr<std::vector<v1::Checkpoint>> checkpoints = client.ListCheckpoints(fault.job.name());
    if (!checkpoints.ok()) return checkpoints.status();
    for (const v1::Checkpoint& checkpoint : *checkpoints) {
      if (checkpoint.step() == 0 || checkpoint.step() >= finding.first_step()) continue;
      if (checkpoint.step() > plan.first_step) {
        plan.checkpoint = checkpoint.name();
        plan.first_step = checkpoint.step();
      }
    }
    plan.why = plan.checkpoint.empty() ? absl::StrCat("no checkpoint is left from before step ", finding.first_step(),
                                                      ", where the finding was first seen")
                                       : absl::StrCat("the newest checkpoint before step ", finding.first_step(),
                                                      ", where the finding was first seen");
  }
  // The beginning of a fork is the checkpoint of the other job.
  if (const std::string& forked = fault.job.forked_from(); plan.checkpoint.empty() && !forked.empty()) {
    plan.checkpoint = forked;
    if (!absl::SimpleAtoi(forked.substr(forked.rfind('/') + 1), &plan.first_step)) {
      return absl::InternalError(absl::StrCat("forked_from: \"", forked, "\" does not end in a step"));
    }
    absl::StrAppend(&plan.why, "; the job itself began there");
  }
  return absl::OkStatus();
}

absl::Status ChooseSteps(Client& client, const FoundFault& fault, const TrialWishes& wishes, TrialPlan& plan) {
  const uint64_t total = fault.job.progress().total_steps();
  const uint64_t left = total > plan.first_step ? total - plan.first_step : 0;
  if (left == 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        fault.job.name(), " has ", total, " steps; none is left to try a fix in after step ", plan.first_step));
  }
  if (wishes.steps) {
    plan.steps = *wishes.steps;
    if (plan.steps >= 1 && plan.steps <= left) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat("--steps: must be from 1 to ", left, ", those that ",
                                                   fault.job.name(), " has after step ", plan.first_step));
  }
  const absl::StatusOr<uint64_t> opened = OpenedAt(client, fault.job, fault.finding);
  if (!opened.ok()) return opened.status();
  if (*opened <= plan.first_step) {
    plan.steps = std::clamp(total / 10, kLeastSteps, kMostAtStart);
  } else {
    const uint64_t run = *opened - plan.first_step;
    plan.steps = std::clamp(run + run / 10, kLeastSteps, std::max(total / 5, kLeastSteps));
  }
  if (plan.measure == Measure::kEvaluationLoss) {
    plan.steps = std::max(plan.steps, kEvaluations * EvaluationCadence(fault));
  }
  plan.steps = std::min(plan.steps, left);
  return absl::OkStatus();
}

absl::StatusOr<bool> IsFree(Client& client, const std::string& id) {
  const absl::Status status = client.GetJob(FullName("jobs", id), v1::JOB_VIEW_BASIC).status();
  if (absl::IsNotFound(status)) return true;
  if (!status.ok()) return status;
  return false;
}

absl::Status ChooseNames(Client& client, const FoundFault& fault, const TrialWishes& wishes, TrialPlan& plan) {
  constexpr size_t kEnding = sizeof("-control-99") - 1;
  std::string base = wishes.base.empty() ? ShortName(fault.job.name()) : wishes.base;
  base.resize(std::min(base.size(), kMostId - kEnding));
  for (int number = 1; number <= kMostTrials; ++number) {
    const std::string fixed_id = absl::StrCat(base, "-fix-", number);
    const std::string control_id = absl::StrCat(base, "-control-", number);
    for (const std::string& id : {fixed_id, control_id}) {
      absl::StatusOr<bool> free = IsFree(client, id);
      if (!free.ok()) return free.status();
      if (!*free) break;
      if (id != control_id) continue;
      plan.fixed_id = wishes.fixed_id.empty() ? fixed_id : wishes.fixed_id;
      plan.control_id = control_id;
      return absl::OkStatus();
    }
  }
  return absl::FailedPreconditionError(absl::StrCat("there are ", kMostTrials, " trials of ", base,
                                                    " already; delete some: trainctl delete --filter ", "'labels.",
                                                    kFixOf, " = ", base, "' --yes"));
}

// The spec with what a trial needs: numbers often enough. Evaluations stay as the job has them, for the one that goes
// on is to be that job.
v1::JobSpec TrialSpec(v1::JobSpec spec, const FoundFault& fault, const TrialPlan& plan) {
  const uint64_t told = std::max<uint64_t>(fault.resolved.metrics_every_steps(), 1);
  spec.set_metrics_every_steps(static_cast<uint32_t>(std::max<uint64_t>(1, std::min(told, plan.steps / kMetrics))));
  return spec;
}

absl::StatusOr<v1::Job> Start(Client& client, const std::string& checkpoint, const std::string& id,
                              const v1::JobSpec& spec) {
  if (checkpoint.empty()) {
    v1::CreateJobRequest request;
    request.set_job_id(id);
    *request.mutable_spec() = spec;
    return client.CreateJob(request);
  }
  v1::ForkJobRequest request;
  request.set_name(checkpoint);
  request.set_job_id(id);
  *request.mutable_spec() = spec;
  return client.ForkJob(request);
}

v1::JobSpec Labelled(v1::JobSpec spec, const FoundFault& fault, const char* role) {
  constexpr size_t kMostValue = 256;  // Characters of a label's value.
  auto& labels = *spec.mutable_labels();
  labels[kFixOf] = ShortName(fault.job.name());
  labels[kFixRule] = fault.finding.rule();
  labels[kFixFinding] = fault.finding.id().substr(0, kMostValue);
  labels[kFixRole] = role;
  labels.erase(kFixVerdict);
  return spec;
}

}  // namespace

absl::StatusOr<FoundFault> FindFault(Client& client, const std::string& job, const std::string& finding) {
  v1::ListFindingsRequest request;
  request.set_parent(job);
  request.set_with_resolved(true);
  const absl::StatusOr<v1::ListFindingsResponse> response = client.ListFindings(request);
  if (!response.ok()) return response.status();
  std::vector<const v1::Finding*> found;
  std::vector<std::string> ids;
  for (const v1::Finding& one : response->findings()) {
    ids.push_back(one.id());
    if (one.id() == finding) found = {&one};
    if (one.id() == finding) break;
    if (one.rule() == finding) found.push_back(&one);
  }
  if (found.size() != 1) {
    return absl::NotFoundError(
        absl::StrCat(job, " has ", found.empty() ? "no finding" : "several findings", " \"", finding, "\"",
                     ids.empty() ? "; nothing was found in it" : absl::StrCat("; ", Known("findings", finding, ids))));
  }
  FoundFault fault;
  fault.finding = *found[0];
  absl::StatusOr<v1::Job> record = client.GetJob(job, v1::JOB_VIEW_SPEC);
  if (!record.ok()) return record.status();
  fault.job = *std::move(record);
  v1::JobSpec& spec = *fault.job.mutable_spec();
  *spec.mutable_labels() = fault.job.labels();
  spec.set_display_name(fault.job.display_name());
  spec.set_priority(fault.job.priority());
  absl::StatusOr<v1::JobSpec> fixed = ApplyFix(spec, fault.finding.fix());
  if (!fixed.ok()) return fixed.status();
  fault.fixed_spec = *std::move(fixed);
  absl::StatusOr<v1::Job> resolved = client.GetJob(job, v1::JOB_VIEW_RESOLVED);
  if (!resolved.ok()) return resolved.status();
  fault.resolved = std::move(*resolved->mutable_resolved_spec());
  return fault;
}

absl::StatusOr<TrialPlan> PlanTrial(Client& client, const FoundFault& fault, const TrialWishes& wishes) {
  TrialPlan plan;
  plan.measure = MeasureOf(fault.finding);
  plan.evaluates = EvaluationCadence(fault) > 0;
  absl::Status status = ChooseStart(client, fault, plan);
  if (status.ok()) status = ChooseSteps(client, fault, wishes, plan);
  if (status.ok()) status = ChooseNames(client, fault, wishes, plan);
  if (!status.ok()) return status;
  plan.fixed_spec = Labelled(TrialSpec(fault.fixed_spec, fault, plan), fault, "patched");
  plan.control_spec = Labelled(TrialSpec(fault.job.spec(), fault, plan), fault, "control");
  return plan;
}

absl::StatusOr<v1::Job> StartFixed(Client& client, const FoundFault& fault, const TrialPlan& plan) {
  return Start(client, plan.checkpoint, plan.fixed_id, Labelled(fault.fixed_spec, fault, "patched"));
}

absl::StatusOr<v1::Job> StartTrial(Client& client, const TrialPlan& plan, bool fixed) {
  return Start(client, plan.checkpoint, fixed ? plan.fixed_id : plan.control_id,
               fixed ? plan.fixed_spec : plan.control_spec);
}

}  // namespace traind::client
