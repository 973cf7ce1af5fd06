#include "server/services/access_gate.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "core/base/enum_name.h"
#include "server/resources/names.h"

namespace traind::server {
namespace {

std::string RoleName(v1::Role role) { return absl::AsciiStrToLower(core::EnumName(role)); }

// "Job" of "jobs/a".
std::string TypeOf(absl::string_view resource) {
  const absl::string_view collection = resource.substr(0, resource.find('/'));
  std::string type(absl::StripSuffix(collection, "s"));
  type[0] = absl::ascii_toupper(static_cast<unsigned char>(type[0]));
  return type;
}

bool IsTrial(const google::protobuf::Message& request) {
  const auto* const field = request.GetDescriptor()->FindFieldByName("validate_only");
  return field != nullptr && request.GetReflection()->GetBool(request, field);
}

absl::Status NotThere(const NamedIn& names, const FieldValue& field, const std::string& resource) {
  // A field of something larger, as the checks of a spec say it.
  if (*names.collection != '\0') return FieldError(field.path, absl::StrCat("there is no ", resource));
  return NotFoundError(TypeOf(resource), field.value);
}

}  // namespace

absl::StatusOr<std::optional<User>> AccessGate::Identify(const CallerCredentials& credentials) const {
  const auto open = accounts_->IsEmpty();
  if (!open.ok()) return open.status();
  if (*open) return std::nullopt;
  absl::string_view token = credentials.authorization;
  if (!token.empty()) {
    if (!absl::StartsWithIgnoreCase(token, "Bearer ")) {
      return absl::UnauthenticatedError("wants one header \"authorization: Bearer TOKEN\"");
    }
    return accounts_->Authenticate(absl::StripAsciiWhitespace(token.substr(7)));
  }
  const std::string& name = credentials.certificate_name;
  if (name.empty()) {
    return absl::UnauthenticatedError("this server wants to know who you are: a token, or a client certificate");
  }
  auto user = accounts_->GetUser(name);
  if (absl::IsNotFound(user.status())) {
    return absl::UnauthenticatedError(absl::StrCat("the certificate is that of \"", name, "\", who is no user here"));
  }
  if (!user.ok()) return user.status();
  if (absl::Status status = CheckMayEnter(*user); !status.ok()) return status;
  return user;
}

absl::Status AccessGate::Admit(CallContext& call, const google::protobuf::Message& request) const {
  const auto user = Identify(call.credentials());
  if (!user.ok()) return user.status();
  if (user->has_value()) call.set_caller({.user = (*user)->name, .role = (*user)->role});
  const bool counts = user->has_value() && quotas_ != nullptr;
  if (counts) {
    if (absl::Status status = quotas_->TakeRequest(**user); !status.ok()) return status;
  }
  const std::string& type = request.GetDescriptor()->name();
  const AccessRule* rule = FindAccessRule(type);
  if (rule == nullptr) return absl::InternalError(absl::StrCat("nobody says who may send a ", type));
  if (absl::Status status = CheckRule(call.caller(), *rule, request); !status.ok()) return status;
  if (!counts || !rule->stream) return absl::OkStatus();
  auto ticket = quotas_->OpenStream(**user);
  if (!ticket.ok()) return ticket.status();
  call.Keep(*std::move(ticket));
  return absl::OkStatus();
}

absl::Status AccessGate::CheckRule(const Caller& caller, const AccessRule& rule,
                                   const google::protobuf::Message& request) const {
  if (caller.role < rule.role) {
    return absl::PermissionDeniedError(
        absl::StrCat("takes the role ", RoleName(rule.role), "; ", caller.user, " is ", RoleName(caller.role)));
  }
  if (caller.IsAdmin()) return absl::OkStatus();
  for (const NamedIn& names : rule.names) {
    if (absl::Status status = CheckNames(caller, request, names); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status AccessGate::CheckNames(const Caller& caller, const google::protobuf::Message& request,
                                    const NamedIn& names) const {
  if (names.to_come && IsTrial(request)) return absl::OkStatus();
  bool named = false;
  for (const FieldValue& field : ValuesAt(request, names.path)) {
    if (field.value.empty()) continue;
    named = true;
    if (absl::Status status = CheckResource(caller, names, field); !status.ok()) return status;
  }
  // The handler's own error lists what there is, of whomever.
  if (!named && names.required) return FieldError(names.path, "is required");
  if (named || names.dataset_of.empty()) return absl::OkStatus();
  const std::string dataset = DefaultDataset(request, names);
  return dataset.empty() ? absl::OkStatus() : CheckResource(caller, names, {.path = names.path, .value = dataset});
}

std::string AccessGate::DefaultDataset(const google::protobuf::Message& request, const NamedIn& names) const {
  for (const char* path : names.dataset_of) {
    for (const FieldValue& field : ValuesAt(request, path)) {
      const std::string name = ResourceOf(field.value, "");
      const bool has_one = absl::StartsWith(name, "jobs/") || absl::StartsWith(name, "models/");
      if (has_one) return owners_.dataset_of(name);
    }
  }
  return "";
}

absl::Status AccessGate::CheckResource(const Caller& caller, const NamedIn& names, const FieldValue& field) const {
  const std::string resource = ResourceOf(field.value, names.collection);
  if (resource.empty()) return absl::OkStatus();  // The handler says what is wrong with the name.
  const auto owner = owners_.owner_of(resource);
  const bool there = !absl::IsNotFound(owner.status());
  if (there && !owner.ok()) return owner.status();
  if (names.right == Right::kContinue) {
    return !there || MayChange(caller, *owner)
               ? absl::OkStatus()
               : AlreadyExistsError(TypeOf(resource), resource, "is taken; choose another id");
  }
  if (!there || !MayRead(caller, *owner)) return NotThere(names, field, resource);
  if (names.right == Right::kRead || MayChange(caller, *owner)) return absl::OkStatus();
  return absl::PermissionDeniedError(
      absl::StrCat(resource, " is shared with you to read; only its owner can change it"));
}

}  // namespace traind::server
