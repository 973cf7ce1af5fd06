#include "client/names.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace traind::client {

std::string FullName(absl::string_view collection, absl::string_view id_or_name) {
  const std::string prefix = absl::StrCat(collection, "/");
  return absl::StartsWith(id_or_name, prefix) ? std::string(id_or_name) : absl::StrCat(prefix, id_or_name);
}

std::string WeightsName(absl::string_view text) {
  if (absl::StartsWith(text, "models/") || absl::StrContains(text, "/checkpoints/")) return std::string(text);
  const absl::string_view path = absl::StripPrefix(text, "jobs/");
  const size_t slash = path.find('/');
  const absl::string_view job = path.substr(0, slash);
  const absl::string_view checkpoint = slash == path.npos ? "latest" : path.substr(slash + 1);
  return absl::StrCat("jobs/", job, "/checkpoints/", checkpoint);
}

std::string ShortName(absl::string_view name) { return std::string(name.substr(name.rfind('/') + 1)); }

}  // namespace traind::client
