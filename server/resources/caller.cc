#include "server/resources/caller.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace traind::server {
namespace {

constexpr size_t kLongestUserName = 64;
constexpr int kMostReaders = 100;

}  // namespace

bool MayRead(const Caller& caller, const std::string& owner, const v1::Sharing& sharing) {
  if (caller.IsAdmin() || sharing.public_()) return true;
  if (caller.user.empty()) return false;
  return caller.user == owner ||
         std::find(sharing.readers().begin(), sharing.readers().end(), caller.user) != sharing.readers().end();
}

bool MayChange(const Caller& caller, const Ownership& of) {
  if (caller.IsAdmin()) return true;
  return caller.role == v1::ROLE_USER && !caller.user.empty() && caller.user == of.owner;
}

bool IsUserName(absl::string_view name) {
  const auto alphanumeric = [](char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)); };
  const auto good = [&](char c) { return alphanumeric(c) || absl::string_view("-_.@").find(c) != name.npos; };
  return !name.empty() && name.size() <= kLongestUserName && alphanumeric(name[0]) &&
         std::all_of(name.begin(), name.end(), good);
}

void CheckSharing(const v1::Sharing& sharing, const core::FieldErrors& field) {
  if (sharing.readers_size() > kMostReaders) {
    field.At("readers").Add(absl::StrCat("has ", sharing.readers_size(), " users, at most ", kMostReaders));
    return;
  }
  for (int i = 0; i < sharing.readers_size(); ++i) {
    if (!IsUserName(sharing.readers(i))) {
      field.At(absl::StrCat("readers[", i, "]")).Add("wants 1 to 64 letters, digits and - _ . @");
    }
  }
}

std::string RequestIdOf(const Caller& caller, absl::string_view request_id) {
  return caller.user.empty() || request_id.empty() ? std::string(request_id)
                                                   : absl::StrCat(caller.user, "\n", request_id);
}

}  // namespace traind::server
