#include "client/errors.h"

#include "absl/strings/cord.h"
#include "traind/rpc/error_details.pb.h"
#include "traind/rpc/status.pb.h"

namespace traind::client {
namespace {

constexpr absl::string_view kOfCall = "traind.client/of_call";

}  // namespace

absl::Status MakeStatus(int code, absl::string_view message, absl::string_view details) {
  absl::Status status(static_cast<absl::StatusCode>(code), message);
  if (status.ok()) return status;
  status.SetPayload(kOfCall, absl::Cord());
  rpc::Status rich;
  if (rich.ParseFromArray(details.data(), static_cast<int>(details.size()))) {
    for (const auto& detail : rich.details()) status.SetPayload(detail.type_url(), absl::Cord(detail.value()));
  }
  return status;
}

bool IsOfCall(const absl::Status& status) { return status.GetPayload(kOfCall).has_value(); }

std::vector<FieldViolation> FieldViolations(const absl::Status& status) {
  std::vector<FieldViolation> violations;
  const auto payload = status.GetPayload(kBadRequestUrl);
  rpc::BadRequest bad_request;
  if (payload && bad_request.ParseFromString(std::string(*payload))) {
    for (const auto& violation : bad_request.field_violations()) {
      violations.push_back({.field = violation.field(), .description = violation.description()});
    }
  }
  return violations;
}

std::optional<absl::Duration> RetryDelay(const absl::Status& status) {
  const auto payload = status.GetPayload(kRetryInfoUrl);
  rpc::RetryInfo info;
  if (!payload || !info.ParseFromString(std::string(*payload)) || !info.has_retry_delay()) return std::nullopt;
  const absl::Duration delay =
      absl::Seconds(info.retry_delay().seconds()) + absl::Nanoseconds(info.retry_delay().nanos());
  if (delay < absl::ZeroDuration() || delay > absl::Hours(1)) return std::nullopt;
  return delay;
}

}  // namespace traind::client
