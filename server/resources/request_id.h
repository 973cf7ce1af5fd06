// request_id: the same call twice makes one thing. What a call made is stored with it, and stays for a day after that
// thing was deleted. Pure functions.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "core/base/errors.h"
#include "google/protobuf/message_lite.h"

namespace traind::server {

// A call with a request_id, and what it made.
struct StoredRequest {
  std::string request_id;
  std::string method;    // "CreateJob".
  std::string resource;  // "jobs/a".
  std::string uid;       // Of the resource: a later one of the same name is not what this call made. Empty: not known.
  std::string fingerprint;  // Of the request. Empty: stored by traind before 0.3.
  absl::Time create_time = absl::UnixEpoch();
  absl::Time delete_time = absl::InfiniteFuture();  // Of the resource.
};

// So long is a request remembered when what it made is gone.
inline constexpr absl::Duration kRequestLifetime = absl::Hours(24);

// A violation of the request's field request_id when it is too long.
void CheckRequestId(absl::string_view request_id, const core::FieldErrors& request);

// What must be the same when a call comes again: `request` without what only decides about the answer, which the caller
// has cleared (request_id, validate_only, view).
std::string RequestFingerprint(const google::protobuf::MessageLite& request);

// OK: a call of `method` with this fingerprint is the stored one again, and what it made is there as far as the store
// knows. INVALID_ARGUMENT: it is another call. FAILED_PRECONDITION: the resource was deleted.
absl::Status CheckRepeated(const StoredRequest& stored, absl::string_view method, absl::string_view fingerprint);

}  // namespace traind::server
