#include "client/cli/quota.h"

#include <google/protobuf/descriptor.h>

#include <cstdint>
#include <limits>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "client/cli/text.h"

namespace traind::client {
namespace {

using google::protobuf::FieldDescriptor;

// As SetUserRequest.quota has them.
constexpr int64_t kUnlimited = std::numeric_limits<int64_t>::max();
constexpr int64_t kOfServer = -1;

// A number; with "KiB" and so on after it where the quota is in bytes.
bool ParseLimit(absl::string_view text, bool bytes, int64_t& limit) {
  int64_t unit = 1;
  int shift = 10;
  for (const char* name : {"KiB", "MiB", "GiB", "TiB"}) {
    if (bytes && absl::ConsumeSuffix(&text, name)) unit = int64_t{1} << shift;
    shift += 10;
  }
  if (!absl::SimpleAtoi(text, &limit) || limit < 0 || limit > kUnlimited / unit) return false;
  limit *= unit;
  return true;
}

}  // namespace

absl::Status ParseQuota(absl::string_view text, v1::Quota& change) {
  for (const absl::string_view part : absl::StrSplit(text, ',')) {
    const std::pair<std::string, std::string> sides = absl::StrSplit(part, absl::MaxSplits('=', 1));
    const FieldDescriptor* field = v1::Quota::descriptor()->FindFieldByName(sides.first);
    if (field == nullptr) {
      std::vector<std::string> names;
      for (int i = 0; i < v1::Quota::descriptor()->field_count(); ++i) {
        names.push_back(v1::Quota::descriptor()->field(i)->name());
      }
      return absl::InvalidArgumentError(
          absl::StrCat("there is no quota \"", sides.first, "\"; there are: ", absl::StrJoin(names, ", ")));
    }
    const bool bytes = absl::EndsWith(field->name(), "_bytes");
    int64_t limit = sides.second == "none" ? kUnlimited : kOfServer;
    if (limit == kOfServer && sides.second != "default" && !ParseLimit(sides.second, bytes, limit)) {
      return absl::InvalidArgumentError(absl::StrCat(part, ": wants a number", bytes ? " of bytes, like 8GiB" : "",
                                                     ", or none, or default for the server's"));
    }
    v1::Quota::GetReflection()->SetInt64(&change, field, limit);
  }
  return absl::OkStatus();
}

std::string FormatQuota(const v1::Quota& quota) {
  std::vector<const FieldDescriptor*> fields;
  v1::Quota::GetReflection()->ListFields(quota, &fields);
  std::vector<std::string> parts;
  for (const FieldDescriptor* field : fields) {
    const int64_t limit = v1::Quota::GetReflection()->GetInt64(quota, field);
    parts.push_back(absl::StrCat(field->name(), "=", limit == kUnlimited ? "none" : absl::StrCat(limit)));
  }
  return absl::StrJoin(parts, ", ");
}

}  // namespace traind::client
