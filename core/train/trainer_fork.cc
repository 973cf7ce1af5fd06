// How a run begins with a checkpoint of another job.
#include "absl/strings/str_cat.h"
#include "core/job/early_stopping.h"
#include "core/train/trainer.h"

namespace traind::core {

bool Trainer::IsOfAnotherJob(const v1::CheckpointManifest& manifest) const {
  return !request_.forked_from.empty() && manifest.job() != request_.job;
}

absl::Status Trainer::BeginFork(const Inherited& inherited) {
  EmitLog(v1::LogLine::LEVEL_INFO, absl::StrCat("began with ", request_.forked_from,
                                                inherited.optimizer ? "" : "; the optimizer's state begins anew"));
  ReportPreprocessing();
  ReportHeldOut();
  ReportData();
  if (!inherited.optimizer) manifest_.set_optimizer_begin_step(step_);
  if (!inherited.evaluations) ForgetEvaluations();
  if (!inherited.plateau) ForgetPlateau();
  if (!inherited.running) manifest_.clear_running();
  // Of other weights than those that go on, or not to be compared.
  if (!inherited.evaluations || restored_step_.has_value()) evaluated_step_.reset();
  if (!inherited.early_stopping) ForgetEarlyStopping();
  return SaveNow(/*told=*/true, /*tolerant=*/false);  // In place of the other job's: from here on it is this job's own.
}

}  // namespace traind::core
