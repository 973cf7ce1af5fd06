#include "server/resources/request_id.h"

#include "absl/strings/str_cat.h"
#include "core/base/utf8.h"
#include "server/resources/fingerprint.h"
#include "server/resources/names.h"

namespace traind::server {
namespace {

constexpr int64_t kMaxRequestId = 64;  // The API's most.

}  // namespace

void CheckRequestId(absl::string_view request_id, const core::FieldErrors& request) {
  if (core::Characters({request_id.data(), request_id.size()}) <= kMaxRequestId) return;
  request.At("request_id").Add(absl::StrCat("must have at most ", kMaxRequestId, " characters"));
}

std::string RequestFingerprint(const google::protobuf::MessageLite& request) {
  return Fingerprint(StableBytes(request));
}

absl::Status CheckRepeated(const StoredRequest& stored, absl::string_view method, absl::string_view fingerprint) {
  if (stored.method != method || (!stored.fingerprint.empty() && stored.fingerprint != fingerprint)) {
    return FieldError("request_id", absl::StrCat("was used before, for another call: the ", stored.method,
                                                 " that made ", stored.resource, "; a new call needs a new one"));
  }
  if (stored.delete_time == absl::InfiniteFuture()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(stored.resource, ", which this request made, was deleted at ",
                   absl::FormatTime(absl::RFC3339_sec, stored.delete_time, absl::UTCTimeZone()),
                   "; a new call needs a new request_id"));
}

}  // namespace traind::server
