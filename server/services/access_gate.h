// The gate of the API: finds out who calls, by token or certificate, counts the call, and holds it against the table of
// rules and the owners of the resources that it names. Without accounts everybody passes, as an administrator.
// Thread-safe.
//
// To somebody who may not read it, a resource does not exist: the error is the same for one that is not there.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/accounts/account_store.h"
#include "server/accounts/quota_book.h"
#include "server/resources/caller.h"
#include "server/rpc/gate.h"
#include "server/services/access_rules.h"

namespace traind::server {

// What the gate asks of resources.
struct ResourceOwners {
  // Whose "jobs/{id}", "datasets/{id}", "models/{id}", "uploads/{id}" or "operations/{id}" is. NOT_FOUND. What cannot
  // be read belongs to nobody: administrators may delete it.
  std::function<absl::StatusOr<Ownership>(const std::string& name)> owner_of;
  // "datasets/{id}" on which "jobs/{id}" trains; empty: there is no such job.
  std::function<std::string(const std::string& job)> dataset_of;
};

class AccessGate final : public Gate {
 public:
  // `accounts` and `quotas` outlive this; so does what `owners` knows. Without quotas calls are not counted.
  AccessGate(AccountStore* accounts, ResourceOwners owners, QuotaBook* quotas = nullptr)
      : accounts_(accounts), owners_(std::move(owners)), quotas_(quotas) {}

  // UNAUTHENTICATED: nobody is known by what the caller shows. PERMISSION_DENIED: the role is too low, or the resource
  // is another's that the caller may read. NOT_FOUND, INVALID_ARGUMENT for a field of a spec: the caller may not even
  // read it, or it is not there. RESOURCE_EXHAUSTED, with when to try again: too many calls or streams.
  absl::Status Admit(CallContext& call, const google::protobuf::Message& request) const override;

 private:
  // None: a server without accounts.
  absl::StatusOr<std::optional<User>> Identify(const CallerCredentials& credentials) const;
  absl::Status CheckRule(const Caller& caller, const AccessRule& rule, const google::protobuf::Message& request) const;
  absl::Status CheckNames(const Caller& caller, const google::protobuf::Message& request, const NamedIn& names) const;
  absl::Status CheckResource(const Caller& caller, const NamedIn& names, const FieldValue& field) const;
  // The dataset that is meant where the request names none.
  std::string DefaultDataset(const google::protobuf::Message& request, const NamedIn& names) const;

  AccountStore* const accounts_;
  const ResourceOwners owners_;
  QuotaBook* const quotas_;
};

}  // namespace traind::server
