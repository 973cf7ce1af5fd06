// Who makes a call, and what they may do to a resource. Pure functions, thread-safe.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "core/base/errors.h"
#include "traind/v1/access.pb.h"

namespace traind::server {

struct Caller {
  std::string user = "";  // Empty: a server without accounts, on which everybody is an administrator.
  v1::Role role = v1::ROLE_ADMIN;

  bool IsAdmin() const { return role == v1::ROLE_ADMIN; }
};

// To whom a resource belongs. An empty owner: it was made before there were accounts; administrators only see it,
// unless it is shared.
struct Ownership {
  std::string owner;
  v1::Sharing sharing;
};
// Of a message with the fields `owner` and `sharing`.
template <class Resource>
Ownership OwnershipOf(const Resource& resource) {
  return {resource.owner(), resource.sharing()};
}

bool MayRead(const Caller& caller, const std::string& owner, const v1::Sharing& sharing);
inline bool MayRead(const Caller& caller, const Ownership& of) { return MayRead(caller, of.owner, of.sharing); }
// Its owner, with a role that changes things, and administrators.
bool MayChange(const Caller& caller, const Ownership& of);

// A user's name: 1 to 64 letters, digits and - _ . @, the first one a letter or a digit.
bool IsUserName(absl::string_view name);
// Violations of a resource's field `sharing`: more than 100 readers, or a name that is none.
void CheckSharing(const v1::Sharing& sharing, const core::FieldErrors& field);

// Two users' request ids never meet: what the store knows one by.
std::string RequestIdOf(const Caller& caller, absl::string_view request_id);

}  // namespace traind::server
