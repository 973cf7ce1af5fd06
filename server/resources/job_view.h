// How much of a job an answer holds, so that every answer fits into what clients take. Pure functions.
#pragma once

#include "core/base/errors.h"
#include "traind/v1/training_service.pb.h"

namespace traind::server {

// A violation of `field` when there is no such view.
void CheckView(v1::JobView view, const core::FieldErrors& field);

// Leaves in `job` what the view shows; JOB_VIEW_UNSPECIFIED shows what `standard` does.
void ApplyView(v1::JobView view, v1::JobView standard, v1::Job& job);

// Violations of `spec` when no answer could show the job: its spec, or the resolved one, is too large.
void CheckViews(const v1::Job& job, const core::FieldErrors& spec);

}  // namespace traind::server
