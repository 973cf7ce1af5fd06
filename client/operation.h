// What an operation says beyond its name. Pure functions.
#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "traind/v1/operation.pb.h"

namespace traind::client {

// State and progress; empty where the server sent none.
v1::OperationMetadata MetadataOf(const v1::Operation& operation);

// The error of an operation that has one, with its details as the errors of calls have them.
absl::Status ErrorOf(const v1::Operation& operation);

// What a done operation made, or its error. FAILED_PRECONDITION: it is not done. INTERNAL: it made something else.
template <typename Made>
absl::StatusOr<Made> ResultOf(const v1::Operation& operation) {
  if (operation.has_error()) return ErrorOf(operation);
  if (!operation.done()) return absl::FailedPreconditionError(absl::StrCat(operation.name(), " is not done yet"));
  Made made;
  if (operation.response().UnpackTo(&made)) return made;
  return absl::InternalError(
      absl::StrCat(operation.name(), " has made something else: ", operation.response().type_url()));
}

}  // namespace traind::client
