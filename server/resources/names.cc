#include "server/resources/names.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "traind/rpc/error_details.pb.h"

namespace traind::server {
namespace {

constexpr absl::string_view kIdPattern = "[a-z]([a-z0-9-]{0,61}[a-z0-9])?";

absl::Status WithResource(absl::Status status, absl::string_view type, absl::string_view name) {
  rpc::ResourceInfo info;
  info.set_resource_type(absl::StrCat("traind.v1.", type));
  info.set_resource_name(std::string(name));
  status.SetPayload(kResourceInfoUrl, absl::Cord(info.SerializeAsString()));
  return status;
}

}  // namespace

bool IsValidId(absl::string_view id) {
  if (id.empty() || id.size() > 63 || !absl::ascii_islower(id.front()) || id.back() == '-') return false;
  return std::all_of(id.begin(), id.end(), [](char c) {
    return absl::ascii_islower(static_cast<unsigned char>(c)) || absl::ascii_isdigit(static_cast<unsigned char>(c)) ||
           c == '-';
  });
}

void CheckId(absl::string_view id, const core::FieldErrors& field) {
  if (!IsValidId(id)) field.Add(absl::StrCat("must have the form ", kIdPattern));
}

absl::string_view IdOf(absl::string_view name) { return name.substr(name.find('/') + 1); }

absl::StatusOr<std::string> ParseName(absl::string_view collection, absl::string_view name, absl::string_view field) {
  absl::string_view id = name;
  if (!absl::ConsumePrefix(&id, collection) || !absl::ConsumePrefix(&id, "/") || !IsValidId(id)) {
    return FieldError(field, absl::StrCat("must be \"", collection, "/{id}\" with an id of the form ", kIdPattern));
  }
  return std::string(id);
}

absl::StatusOr<WeightsName> ParseWeightsName(absl::string_view name, bool allow_job, absl::string_view field) {
  WeightsName result;
  absl::string_view rest = name;
  if (absl::ConsumePrefix(&rest, "models/") && IsValidId(rest)) {
    result.model = std::string(rest);
    return result;
  }
  rest = name;
  if (absl::ConsumePrefix(&rest, "jobs/")) {
    const size_t slash = std::min(rest.find('/'), rest.size());
    result.job = std::string(rest.substr(0, slash));
    result.checkpoint = "latest";
    rest.remove_prefix(slash);
    if (IsValidId(result.job) && rest.empty() && allow_job) return result;
    if (IsValidId(result.job) && absl::ConsumePrefix(&rest, "/checkpoints/")) {
      result.checkpoint = std::string(rest);
      uint64_t step = 0;
      const bool digits = !rest.empty() && std::all_of(rest.begin(), rest.end(), absl::ascii_isdigit);
      if (rest == "latest" || rest == "best" || (digits && absl::SimpleAtoi(rest, &step))) return result;
    }
  }
  return FieldError(field, absl::StrCat("must be \"jobs/{id}/checkpoints/{step}\" (the step may be \"latest\" or "
                                        "\"best\")",
                                        allow_job ? ", \"jobs/{id}\"" : "", " or \"models/{id}\""));
}

absl::Status FieldError(absl::string_view field, absl::string_view description) {
  core::FieldErrors::Root root;
  root.scope().At(std::string(field)).Add(std::string(description));
  return root.ToStatus();
}

absl::Status NotFoundError(absl::string_view type, absl::string_view name, absl::string_view known) {
  return WithResource(absl::NotFoundError(absl::StrCat("there is no ", name, known.empty() ? "" : "; ", known)), type,
                      name);
}

absl::Status AlreadyExistsError(absl::string_view type, absl::string_view name, absl::string_view how) {
  return WithResource(absl::AlreadyExistsError(absl::StrCat(name, " ", how)), type, name);
}

}  // namespace traind::server
