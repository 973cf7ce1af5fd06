#include "server/resources/job_view.h"

#include "absl/strings/str_cat.h"
#include "server/resources/answer_size.h"

namespace traind::server {
namespace {

// What a view may take when the job is created. The rest of an answer is for what comes later: the error with its last
// log lines, labels.
constexpr size_t kMaxViewBytes = kMaxAnswerBytes - (512 << 10);

}  // namespace

void CheckView(v1::JobView view, const core::FieldErrors& field) {
  if (!v1::JobView_IsValid(view)) field.Add("is not a view: BASIC, SPEC or RESOLVED");
}

void ApplyView(v1::JobView view, v1::JobView standard, v1::Job& job) {
  const v1::JobView shown = view == v1::JOB_VIEW_UNSPECIFIED ? standard : view;
  if (shown != v1::JOB_VIEW_SPEC) job.clear_spec();
  if (shown != v1::JOB_VIEW_RESOLVED) job.clear_resolved_spec();
  if (shown == v1::JOB_VIEW_BASIC) job.clear_trained_on();
}

void CheckViews(const v1::Job& job, const core::FieldErrors& spec) {
  const size_t whole = job.ByteSizeLong();
  const size_t given = job.spec().ByteSizeLong(), resolved = job.resolved_spec().ByteSizeLong();
  if (whole - resolved > kMaxViewBytes) {
    spec.Add(absl::StrCat("takes ", Mebibytes(whole - resolved), " MiB, and no answer may hold more than ",
                          Mebibytes(kMaxViewBytes), "; write repeated layers as a block or a preset"));
  } else if (whole - given > kMaxViewBytes) {
    spec.Add(
        absl::StrCat("takes ", Mebibytes(whole - given),
                     " MiB with its blocks expanded and every default filled in, and no answer may hold more than ",
                     Mebibytes(kMaxViewBytes), "; take fewer layers"));
  }
}

}  // namespace traind::server
