#include "client/errors.h"

#include "absl/strings/cord.h"
#include "traind/rpc/error_details.pb.h"
#include "traind/rpc/status.pb.h"

namespace traind::client {

absl::Status MakeStatus(int code, absl::string_view message, absl::string_view details) {
  absl::Status status(static_cast<absl::StatusCode>(code), message);
  if (status.ok()) return status;
  rpc::Status rich;
  if (rich.ParseFromArray(details.data(), static_cast<int>(details.size()))) {
    for (const auto& detail : rich.details()) status.SetPayload(detail.type_url(), absl::Cord(detail.value()));
  }
  return status;
}

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

}  // namespace traind::client
