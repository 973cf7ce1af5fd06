// Resource names ("jobs/{id}") and the errors that name a resource, in one place so that every method says the same.
// Pure functions, thread-safe.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "core/base/errors.h"

namespace traind::server {

// Under this key a NOT_FOUND or ALREADY_EXISTS status carries a serialized google.rpc.ResourceInfo.
inline constexpr absl::string_view kResourceInfoUrl = "type.googleapis.com/google.rpc.ResourceInfo";

// True for [a-z]([a-z0-9-]{0,61}[a-z0-9])?: safe as the name of a file, too.
bool IsValidId(absl::string_view id);

// A violation of `field` when the id is not valid.
void CheckId(absl::string_view id, const core::FieldErrors& field);

// The id in the name "<collection>/<id>" of a resource that there is.
absl::string_view IdOf(absl::string_view name);

// The id in "<collection>/<id>"; INVALID_ARGUMENT for `field` (with a BadRequest) when the name has another form.
absl::StatusOr<std::string> ParseName(absl::string_view collection, absl::string_view name, absl::string_view field);

// "jobs/{id}/checkpoints/{step}", or "models/{id}".
struct WeightsName {
  std::string job;         // Empty for a model.
  std::string model;       // Empty for a checkpoint.
  std::string checkpoint;  // Digits, "latest" or "best".
};
// `allow_job`: "jobs/{id}" alone is taken as its latest checkpoint.
absl::StatusOr<WeightsName> ParseWeightsName(absl::string_view name, bool allow_job, absl::string_view field);

// INVALID_ARGUMENT with a BadRequest of one violation.
absl::Status FieldError(absl::string_view field, absl::string_view description);

// `type` is the message's name: "Job"; `name` the resource's: "jobs/a".
// `known` (may be empty) says what there is instead.
absl::Status NotFoundError(absl::string_view type, absl::string_view name, absl::string_view known = "");
// `how` says why the name is taken.
absl::Status AlreadyExistsError(absl::string_view type, absl::string_view name,
                                absl::string_view how = "exists already");

}  // namespace traind::server
