#include "server/wire/result.h"

#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "core/base/errors.h"
#include "core/base/machine.h"

namespace traind::server {
namespace {

constexpr absl::string_view kDetailsUrl(core::kBadRequestUrl.data(), core::kBadRequestUrl.size());

}  // namespace

internal::Result Failure(const absl::Status& status) {
  internal::Result result;
  result.set_code(static_cast<int32_t>(status.code()));
  result.set_message(std::string(status.message()));
  result.set_machine(core::IsOfMachine(status));
  if (const auto details = status.GetPayload(kDetailsUrl)) result.set_error_details(std::string(*details));
  return result;
}

absl::Status StatusOf(const internal::Result& result) {
  absl::Status status(static_cast<absl::StatusCode>(result.code()), result.message());
  if (!result.error_details().empty()) status.SetPayload(kDetailsUrl, absl::Cord(result.error_details()));
  return status;
}

}  // namespace traind::server
