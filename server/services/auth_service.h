// AuthService on the account store. Thread-safe; everything given to it outlives it.
#pragma once

#include <grpcpp/grpcpp.h>

#include <functional>
#include <string>
#include <utility>

#include "server/accounts/account_store.h"
#include "server/rpc/gate.h"
#include "traind/v1/auth_service.grpc.pb.h"

namespace traind::server {

class AuthService final : public v1::AuthService::CallbackService {
 public:
  using QuotaOf = std::function<absl::StatusOr<v1::GetQuotaResponse>(const std::string& user)>;

  // Without `quota_of` there are no quotas.
  AuthService(AccountStore* accounts, const Entrance* entrance, QuotaOf quota_of = nullptr)
      : accounts_(accounts), entrance_(entrance), quota_of_(std::move(quota_of)) {}

  grpc::ServerUnaryReactor* WhoAmI(grpc::CallbackServerContext* context, const v1::WhoAmIRequest* request,
                                   v1::WhoAmIResponse* response) override;
  grpc::ServerUnaryReactor* ListUsers(grpc::CallbackServerContext* context, const v1::ListUsersRequest* request,
                                      v1::ListUsersResponse* response) override;
  grpc::ServerUnaryReactor* SetUser(grpc::CallbackServerContext* context, const v1::SetUserRequest* request,
                                    v1::SetUserResponse* response) override;
  grpc::ServerUnaryReactor* GetQuota(grpc::CallbackServerContext* context, const v1::GetQuotaRequest* request,
                                     v1::GetQuotaResponse* response) override;
  grpc::ServerUnaryReactor* IssueToken(grpc::CallbackServerContext* context, const v1::IssueTokenRequest* request,
                                       v1::IssueTokenResponse* response) override;
  grpc::ServerUnaryReactor* ListTokens(grpc::CallbackServerContext* context, const v1::ListTokensRequest* request,
                                       v1::ListTokensResponse* response) override;
  grpc::ServerUnaryReactor* RevokeToken(grpc::CallbackServerContext* context, const v1::RevokeTokenRequest* request,
                                        v1::RevokeTokenResponse* response) override;

 private:
  absl::Status WhoIs(const CallContext& call, v1::User* response);
  absl::StatusOr<v1::ListUsersResponse> List(const v1::ListUsersRequest& request);
  absl::StatusOr<v1::ListTokensResponse> List(const v1::ListTokensRequest& request, const CallContext& call);
  absl::StatusOr<v1::User> Set(const v1::SetUserRequest& request);
  absl::StatusOr<v1::GetQuotaResponse> FindQuota(const v1::GetQuotaRequest& request, const Caller& caller);
  absl::StatusOr<v1::IssueTokenResponse> Create(const v1::IssueTokenRequest& request);
  absl::StatusOr<v1::Token> Revoke(const v1::RevokeTokenRequest& request, const CallContext& call);

  AccountStore* const accounts_;
  const Entrance* const entrance_;
  const QuotaOf quota_of_;
};

}  // namespace traind::server
