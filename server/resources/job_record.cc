#include "server/resources/job_record.h"

#include "absl/strings/str_cat.h"
#include "core/base/stored_spec.h"
#include "core/base/uid.h"
#include "server/resources/etag.h"

namespace traind::server {
namespace {

void TakeFromSpec(v1::Job& job) {
  job.set_display_name(job.spec().display_name());
  job.set_priority(job.spec().priority());
  job.set_dataset(job.resolved_spec().data().dataset());
  *job.mutable_labels() = job.spec().labels();
}

}  // namespace

void BeginRecord(v1::Job& job, const google::protobuf::Timestamp& now) {
  job.set_uid(core::NewUid());
  *job.mutable_create_time() = now;
  TakeFromSpec(job);
  Touch(job, now);
}

void CompleteRecord(v1::Job& job) {
  if (job.has_resolved_spec()) core::CompleteStoredSpec(*job.mutable_resolved_spec());
  if (!job.uid().empty()) return;
  TakeFromSpec(job);
  job.set_uid(
      core::DerivedUid(absl::StrCat(job.name(), " ", job.create_time().seconds(), ".", job.create_time().nanos())));
  Touch(job, job.has_end_time() ? job.end_time() : job.has_start_time() ? job.start_time() : job.create_time());
}

}  // namespace traind::server
