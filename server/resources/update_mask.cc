#include "server/resources/update_mask.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/utf8.h"
#include "server/resources/suggest.h"

namespace traind::server {

void CheckUpdateMask(const google::protobuf::FieldMask& mask, const std::vector<std::string>& may_change,
                     const core::FieldErrors& field) {
  if (mask.paths().empty()) field.Add(absl::StrCat("is required: of ", absl::StrJoin(may_change, ", ")));
  for (int i = 0; i < mask.paths_size(); ++i) {
    if (std::find(may_change.begin(), may_change.end(), mask.paths(i)) != may_change.end()) continue;
    field.At("paths", i)
        .Add(absl::StrCat("\"", core::Excerpt(mask.paths(i)), "\" cannot be changed; ",
                          KnownWords("paths", mask.paths(i), may_change)));
  }
}

bool Updates(const google::protobuf::FieldMask& mask, const std::string& path) {
  return std::find(mask.paths().begin(), mask.paths().end(), path) != mask.paths().end();
}

}  // namespace traind::server
