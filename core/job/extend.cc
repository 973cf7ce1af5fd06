#include "core/job/extend.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/errors.h"
#include "core/base/kind.h"
#include "core/job/duration.h"
#include "core/job/early_stopping.h"
#include "core/job/resolve_initialization.h"
#include "core/job/resolve_optimizer.h"
#include "core/optimizers/resolve.h"

namespace traind::core {
namespace {

absl::Status CheckExtendable(const v1::JobSpec& spec, const v1::CheckpointManifest& newest) {
  if (spec.has_lottery_ticket()) {
    return absl::FailedPreconditionError(
        "a job with a lottery_ticket cannot be extended: the length of its rounds decides when it prunes");
  }
  if (HasEnded(spec.early_stopping(), newest.early_stopping())) {
    return absl::FailedPreconditionError(
        absl::StrCat(EndReason(spec, newest.early_stopping()),
                     "; one longer job would have ended there, too: fork it with another early_stopping"));
  }
  return absl::OkStatus();
}

void SetLength(const v1::ExtendJobRequest& request, v1::JobSpec& spec) {
  request.has_epochs() ? spec.set_epochs(request.epochs()) : spec.set_steps(request.steps());
}

// Steps in all; 0 after a violation.
uint64_t CheckLength(const v1::JobSpec& extended, uint64_t steps_per_epoch, uint64_t trained,
                     const FieldErrors& errors) {
  const bool in_epochs = extended.has_epochs();
  const FieldErrors field = errors.At(in_epochs ? "epochs" : "steps");
  if (in_epochs && steps_per_epoch == 0) {
    field.Add("cannot be counted in steps, because the job's dataset is not known; say steps instead");
    return 0;
  }
  const uint64_t total = TotalSteps(extended, steps_per_epoch);
  const std::string given = in_epochs ? absl::StrCat(extended.epochs(), " epochs, which are ", total, " steps")
                                      : absl::StrCat(total, " steps");
  if (total >= kMaxSteps) {
    field.Add(absl::StrCat("must be less than 2^40 steps, not ", given));
  } else if (total <= trained) {
    field.Add(absl::StrCat("must be more in all than the ", trained, " steps that the job has trained, not ", given));
  } else {
    return total;
  }
  return 0;
}

std::string LengthOf(const v1::JobSpec& spec) {
  return spec.has_epochs() ? absl::StrCat(spec.epochs(), " epochs") : absl::StrCat(spec.steps(), " steps");
}

// A schedule that spans the whole job has another rate at its last step than one longer job would have had there. Empty
// where the rate does not depend on the job's length.
std::string SeamWarning(const v1::JobSpec& extended, uint64_t before, uint64_t total, uint64_t seam) {
  if (seam == 0) return "";
  FieldErrors::Root none;  // The spec was accepted.
  v1::Optimizer config = extended.optimizer();
  const ResolvedOptimizer optimizer = ResolveOptimizer(config, none.scope());
  if (optimizer.learning_rate == nullptr) return "";
  const double was = optimizer.learning_rate->At(seam - 1, before);
  const double would_be = optimizer.learning_rate->At(seam - 1, total);
  if (was == would_be) return "";
  return absl::StrCat("the schedule ", KindName(config.schedule()), " spans the whole job: learning_rate was ", was,
                      " at step ", seam, ", where one job of ", LengthOf(extended), " would have had ", would_be,
                      ", and is ", optimizer.learning_rate->At(seam, total), " at step ", seam + 1,
                      "; the weights will not be those of one longer job");
}

// Where swa follows from the job's length, it is that of the longer job, while no weights are averaged yet. Otherwise
// it stays; gives a warning then.
std::string LengthenSwa(const v1::JobSpec& given, uint64_t steps_per_epoch, uint64_t trained, v1::JobSpec& extended) {
  if (!given.optimizer().has_swa() || steps_per_epoch == 0) return "";
  FieldErrors::Root none;  // The spec was accepted.
  v1::JobSpec longer = extended;
  *longer.mutable_optimizer()->mutable_swa() = given.optimizer().swa();
  ResolveOptimizerLengths(longer, steps_per_epoch, none.scope());
  v1::Swa& swa = *extended.mutable_optimizer()->mutable_swa();
  const v1::Swa& would_be = longer.optimizer().swa();
  if (would_be.begin_steps() == swa.begin_steps() && would_be.every_steps() == swa.every_steps()) return "";
  if (trained < swa.begin_steps() && trained < would_be.begin_steps()) {
    swa = would_be;
    return "";
  }
  return absl::StrCat("optimizer.swa stays as it was: from step ", swa.begin_steps(), " on every ", swa.every_steps(),
                      " steps, where one job of ", LengthOf(extended), " would have averaged from step ",
                      would_be.begin_steps(), " on every ", would_be.every_steps());
}

}  // namespace

absl::StatusOr<ExtendedJob> ExtendSpec(const v1::Job& job, const v1::ExtendJobRequest& request,
                                       const v1::CheckpointManifest& newest) {
  if (absl::Status status = CheckExtendable(job.resolved_spec(), newest); !status.ok()) return status;
  FieldErrors::Root errors;
  if (request.duration_case() == v1::ExtendJobRequest::DURATION_NOT_SET) {
    errors.scope().At("epochs").Add("must be given, or steps: how long to train in all");
    return errors.ToStatus();
  }
  ExtendedJob extended{.spec = job.spec(), .resolved_spec = job.resolved_spec()};
  SetLength(request, extended.spec);
  SetLength(request, extended.resolved_spec);
  const uint64_t steps_per_epoch = job.progress().steps_per_epoch();
  extended.total_steps = CheckLength(extended.resolved_spec, steps_per_epoch, newest.step(), errors.scope());
  if (!errors.ok()) return errors.ToStatus();
  std::string warning = SeamWarning(extended.resolved_spec, TotalSteps(job.resolved_spec(), steps_per_epoch),
                                    extended.total_steps, newest.step());
  if (!warning.empty()) extended.warnings.push_back(std::move(warning));
  warning = LengthenSwa(job.spec(), steps_per_epoch, newest.step(), extended.resolved_spec);
  if (!warning.empty()) extended.warnings.push_back(std::move(warning));
  return extended;
}

}  // namespace traind::core
