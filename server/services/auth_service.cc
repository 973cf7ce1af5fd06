#include "server/services/auth_service.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "core/base/errors.h"
#include "google/protobuf/util/time_util.h"
#include "server/resources/names.h"
#include "server/resources/paging.h"
#include "server/rpc/unary_call.h"

namespace traind::server {
namespace {

google::protobuf::Timestamp ToTimestamp(absl::Time time) {
  return google::protobuf::util::TimeUtil::SecondsToTimestamp(absl::ToUnixSeconds(time));
}

v1::User ToMessage(const User& user) {
  v1::User message;
  message.set_name(absl::StrCat("users/", user.name));
  message.set_role(user.role);
  *message.mutable_create_time() = ToTimestamp(user.create_time);
  *message.mutable_quota() = user.quota;
  message.set_weight(user.weight);
  return message;
}

v1::Token ToMessage(const TokenRecord& token) {
  v1::Token message;
  message.set_name(absl::StrCat("tokens/", token.id));
  message.set_owner(token.user);
  message.set_description(token.description);
  *message.mutable_create_time() = ToTimestamp(token.create_time);
  if (token.expire_time != absl::InfiniteFuture()) *message.mutable_expire_time() = ToTimestamp(token.expire_time);
  if (token.last_use_time != absl::InfinitePast()) *message.mutable_last_use_time() = ToTimestamp(token.last_use_time);
  if (token.revoke_time != absl::InfiniteFuture()) *message.mutable_revoke_time() = ToTimestamp(token.revoke_time);
  message.set_valid(token.IsValid(absl::Now()));
  return message;
}

// "ada" of "users/ada"; empty: it is no such name.
absl::string_view UserIn(absl::string_view name) { return absl::ConsumePrefix(&name, "users/") ? name : ""; }

const Collection& UserCollection() {
  static const Collection kCollection{
      .name = "users", .fields = {{v1::User::descriptor(), {"name", "role", "create_time"}}}, .default_order = "name"};
  return kCollection;
}

const Collection& TokenCollection() {
  static const Collection kCollection{.name = "tokens",
                                      .fields = {{v1::Token::descriptor(),
                                                  {"name", "owner", "description", "valid", "create_time",
                                                   "expire_time", "last_use_time", "revoke_time"}}},
                                      .default_order = "create_time"};
  return kCollection;
}

}  // namespace

grpc::ServerUnaryReactor* AuthService::WhoAmI(grpc::CallbackServerContext* context, const v1::WhoAmIRequest* request,
                                              v1::WhoAmIResponse* response) {
  return AnswerOn(*entrance_, context, *request,
                  [this, response](CallContext& call) { return WhoIs(call, response->mutable_user()); });
}

absl::Status AuthService::WhoIs(const CallContext& call, v1::User* response) {
  if (!call.caller().user.empty()) {
    auto user = accounts_->GetUser(call.caller().user);
    if (!user.ok()) return user.status();
    *response = ToMessage(*user);
    return absl::OkStatus();
  }
  response->set_role(call.caller().role);
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* AuthService::ListUsers(grpc::CallbackServerContext* context,
                                                 const v1::ListUsersRequest* request, v1::ListUsersResponse* response) {
  return AnswerOn(*entrance_, context, *request,
                  [this, request, response](CallContext&) { return Give(List(*request), response); });
}

absl::StatusOr<v1::ListUsersResponse> AuthService::List(const v1::ListUsersRequest& request) {
  core::FieldErrors::Root errors;
  const ListQuery query = ListQuery::Parse(ListRequestOf(request), UserCollection(), errors.scope());
  if (!errors.ok()) return errors.ToStatus();
  const auto users = accounts_->ListUsers();
  if (!users.ok()) return users.status();
  Page<v1::User> page(query);
  for (const User& user : *users) page.Offer(ToMessage(user), user.name);
  v1::ListUsersResponse response;
  page.MoveTo(*response.mutable_users(), *response.mutable_next_page_token());
  return response;
}

grpc::ServerUnaryReactor* AuthService::SetUser(grpc::CallbackServerContext* context, const v1::SetUserRequest* request,
                                               v1::SetUserResponse* response) {
  return AnswerOn(*entrance_, context, *request,
                  [this, request, response](CallContext&) { return Give(Set(*request), response->mutable_user()); });
}

// Where there are no users everybody is an administrator: who makes the first one must be on the server's machine.
absl::StatusOr<v1::User> AuthService::Set(const v1::SetUserRequest& request) {
  if (!v1::Role_IsValid(request.role())) {
    return FieldError("role", "wants ROLE_NONE, ROLE_VIEWER, ROLE_USER or ROLE_ADMIN, or nothing");
  }
  const auto empty = accounts_->IsEmpty();
  if (!empty.ok()) return empty.status();
  if (*empty) {
    return absl::FailedPreconditionError(
        "the first user is made on the server's machine: traind token create NAME --role admin");
  }
  UserChange change{.quota = request.quota()};
  if (request.role() != v1::ROLE_UNSPECIFIED) change.role = request.role();
  if (request.weight() != 0) change.weight = request.weight();
  const auto user = accounts_->PutUser(request.user(), change);
  if (!user.ok()) return user.status();
  return ToMessage(*user);
}

grpc::ServerUnaryReactor* AuthService::GetQuota(grpc::CallbackServerContext* context,
                                                const v1::GetQuotaRequest* request, v1::GetQuotaResponse* response) {
  return AnswerOn(*entrance_, context, *request, [this, request, response](CallContext& call) {
    return Give(FindQuota(*request, call.caller()), response);
  });
}

absl::StatusOr<v1::GetQuotaResponse> AuthService::FindQuota(const v1::GetQuotaRequest& request, const Caller& caller) {
  if (!request.name().empty() && !IsUserName(UserIn(request.name()))) {
    return FieldError("name", "wants a name like users/ada");
  }
  const std::string user(request.name().empty() ? caller.user : UserIn(request.name()));
  if (user.empty() || quota_of_ == nullptr) {
    return absl::FailedPreconditionError("there are no users, and so no quotas: everybody may have everything");
  }
  if (!MayRead(caller, user, {})) return NotFoundError("User", request.name());
  return quota_of_(user);
}

grpc::ServerUnaryReactor* AuthService::IssueToken(grpc::CallbackServerContext* context,
                                                  const v1::IssueTokenRequest* request,
                                                  v1::IssueTokenResponse* response) {
  return AnswerOn(*entrance_, context, *request,
                  [this, request, response](CallContext&) { return Give(Create(*request), response); });
}

absl::StatusOr<v1::IssueTokenResponse> AuthService::Create(const v1::IssueTokenRequest& request) {
  const absl::Time end =
      request.has_expire_time() ? absl::FromUnixSeconds(request.expire_time().seconds()) : absl::InfiniteFuture();
  auto token = accounts_->CreateToken(request.user(), request.description(), end);
  if (!token.ok()) return token.status();
  v1::IssueTokenResponse response;
  response.set_secret(std::move(token->secret));
  *response.mutable_token() = ToMessage(token->record);
  return response;
}

grpc::ServerUnaryReactor* AuthService::ListTokens(grpc::CallbackServerContext* context,
                                                  const v1::ListTokensRequest* request,
                                                  v1::ListTokensResponse* response) {
  return AnswerOn(*entrance_, context, *request,
                  [this, request, response](CallContext& call) { return Give(List(*request, call), response); });
}

absl::StatusOr<v1::ListTokensResponse> AuthService::List(const v1::ListTokensRequest& request,
                                                         const CallContext& call) {
  core::FieldErrors::Root errors;
  const ListQuery query = ListQuery::Parse(ListRequestOf(request), TokenCollection(), errors.scope());
  if (!errors.ok()) return errors.ToStatus();
  const auto tokens = accounts_->ListTokens();
  if (!tokens.ok()) return tokens.status();
  Page<v1::Token> page(query, call.caller());
  for (const TokenRecord& token : *tokens) page.Offer(ToMessage(token), token.id);
  v1::ListTokensResponse response;
  page.MoveTo(*response.mutable_tokens(), *response.mutable_next_page_token());
  return response;
}

grpc::ServerUnaryReactor* AuthService::RevokeToken(grpc::CallbackServerContext* context,
                                                   const v1::RevokeTokenRequest* request,
                                                   v1::RevokeTokenResponse* response) {
  return AnswerOn(*entrance_, context, *request, [this, request, response](CallContext& call) {
    return Give(Revoke(*request, call), response->mutable_token());
  });
}

absl::StatusOr<v1::Token> AuthService::Revoke(const v1::RevokeTokenRequest& request, const CallContext& call) {
  auto id = ParseName("tokens", request.name(), "name");
  if (!id.ok()) return id.status();
  const auto token = accounts_->GetToken(*id);
  if (!token.ok()) return token.status();
  if (!MayRead(call.caller(), token->user, {})) return NotFoundError("Token", request.name());
  const auto revoked = accounts_->RevokeToken(*id);
  if (!revoked.ok()) return revoked.status();
  return ToMessage(*revoked);
}

}  // namespace traind::server
