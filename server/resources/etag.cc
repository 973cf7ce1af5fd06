#include "server/resources/etag.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/utf8.h"

namespace traind::server {

std::string EtagOf(const v1::Job& job) {
  v1::Job record = job;
  record.clear_progress();
  record.clear_last_sequence();
  record.clear_queue();
  return EtagOf<v1::Job>(std::move(record));
}

void Touch(v1::Job& job, const google::protobuf::Timestamp& now) {
  *job.mutable_update_time() = now;
  job.set_etag(EtagOf(job));
}

absl::Status CheckEtag(absl::string_view wanted, absl::string_view etag, absl::string_view name) {
  if (wanted.empty() || wanted == etag) return absl::OkStatus();
  return absl::AbortedError(absl::StrCat(name, " was changed meanwhile: its etag is ", etag, ", the request has ",
                                         core::Excerpt({wanted.data(), wanted.size()}),
                                         "; get it again and decide anew"));
}

}  // namespace traind::server
