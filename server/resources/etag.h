// Etags: a client that changes a resource says on which state of it its decision rests. Pure functions.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "core/base/checksum.h"
#include "google/protobuf/timestamp.pb.h"
#include "server/resources/fingerprint.h"
#include "traind/v1/job.pb.h"

namespace traind::server {

// The etag of a resource: it changes with every change of anything in it.
template <class Resource>
std::string EtagOf(Resource resource) {
  resource.clear_etag();
  return core::Crc32Hex(StableBytes(resource));
}
// As above, but progress, last_sequence and queue, which change all the time, do not count.
std::string EtagOf(const v1::Job& job);

// Marks a change of the record at `now`: update_time and etag. The last thing before the record is stored.
void Touch(v1::Job& job, const google::protobuf::Timestamp& now);

// ABORTED: the request was made for another state of the resource. Everything goes without a `wanted` etag.
absl::Status CheckEtag(absl::string_view wanted, absl::string_view etag, absl::string_view name);

}  // namespace traind::server
