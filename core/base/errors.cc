#include "core/base/errors.h"

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "core/base/utf8.h"

namespace traind::core {

FieldErrors FieldErrors::At(std::string_view field) const {
  return FieldErrors(root_, path_.empty() ? std::string(field) : path_ + "." + std::string(field));
}

FieldErrors FieldErrors::At(std::string_view field, int64_t index) const {
  FieldErrors scope = At(field);
  absl::StrAppend(&scope.path_, "[", index, "]");
  return scope;
}

void FieldErrors::Add(std::string_view description) const {
  if (++root_->count_ > Root::kMostKept) return;
  auto* violation = root_->violations_.add_field_violations();
  violation->set_field(path_);
  // What a file holds is quoted as it is, and a string of protobuf is UTF-8.
  violation->set_description(EscapedUnlessUtf8(description));
}

int FieldErrors::count() const { return root_->count_; }

absl::Status FieldErrors::Root::ToStatus() const {
  if (ok()) return absl::OkStatus();
  std::string message;
  for (const auto& violation : violations_.field_violations()) {
    absl::StrAppend(&message, message.empty() ? "" : "\n", violation.field(), ": ", violation.description());
  }
  const int more = count_ - violations_.field_violations_size();
  if (more > 0) absl::StrAppend(&message, "\nand ", more, " more");
  absl::Status status = absl::InvalidArgumentError(message);
  status.SetPayload({kBadRequestUrl.data(), kBadRequestUrl.size()}, absl::Cord(violations_.SerializeAsString()));
  return status;
}

}  // namespace traind::core
