#include "server/resources/quota.h"

#include <algorithm>
#include <vector>

#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "core/base/errors.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/util/time_util.h"
#include "server/resources/names.h"
#include "traind/rpc/error_details.pb.h"

namespace traind::server {
namespace {

using google::protobuf::FieldDescriptor;

const FieldDescriptor* FieldOf(QuotaKind kind) {
  return v1::Quota::descriptor()->FindFieldByNumber(static_cast<int>(kind));
}

bool IsBytes(absl::string_view name) { return absl::EndsWith(name, "_bytes"); }

std::string KnownQuotas() {
  std::vector<std::string> names;
  for (int i = 0; i < v1::Quota::descriptor()->field_count(); ++i) {
    names.push_back(v1::Quota::descriptor()->field(i)->name());
  }
  return absl::StrJoin(names, ", ");
}

// "8GiB" is a number of bytes.
bool ParseAmount(absl::string_view text, bool bytes, int64_t& amount) {
  int64_t unit = 1;
  if (bytes) {
    constexpr std::pair<const char*, int> kUnits[] = {{"KiB", 10}, {"MiB", 20}, {"GiB", 30}, {"TiB", 40}};
    for (const auto& [name, shift] : kUnits) {
      if (absl::ConsumeSuffix(&text, name)) unit = int64_t{1} << shift;
    }
  }
  if (!absl::SimpleAtoi(text, &amount) || amount < 0 || amount > kNoLimit / unit) return false;
  amount *= unit;
  return true;
}

absl::Status ParsePart(absl::string_view part, bool change, v1::Quota& quota) {
  const std::vector<std::string> sides = absl::StrSplit(part, absl::MaxSplits('=', 1));
  const FieldDescriptor* field = v1::Quota::descriptor()->FindFieldByName(sides[0]);
  if (field == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat("there is no quota \"", sides[0], "\"; there are: ", KnownQuotas()));
  }
  const std::string value = sides.size() == 2 ? sides[1] : "";
  int64_t limit = value == "none" ? kNoLimit : kServersLimit;
  const bool word = value == "none" || (change && value == "default");
  if (!word && !ParseAmount(value, IsBytes(field->name()), limit)) {
    return absl::InvalidArgumentError(absl::StrCat("quota ", sides[0], "=", value, ": wants a number",
                                                   IsBytes(field->name()) ? " of bytes, like 8GiB," : "", " or none",
                                                   change ? ", or default for the server's" : ""));
  }
  v1::Quota::GetReflection()->SetInt64(&quota, field, limit);
  return absl::OkStatus();
}

absl::Status ParseParts(absl::string_view text, bool change, v1::Quota& quota) {
  for (const absl::string_view part : absl::StrSplit(text, ',')) {
    if (absl::Status status = ParsePart(part, change, quota); !status.ok()) return status;
  }
  return absl::OkStatus();
}

// `use` gets each field that is set, with its value.
template <class Use>
void ForEachLimit(const v1::Quota& quota, Use use) {
  std::vector<const FieldDescriptor*> fields;
  v1::Quota::GetReflection()->ListFields(quota, &fields);
  for (const FieldDescriptor* field : fields) use(field, v1::Quota::GetReflection()->GetInt64(quota, field));
}

void SetOrClear(const FieldDescriptor* field, int64_t value, int64_t absent, v1::Quota& quota) {
  if (value == absent) {
    v1::Quota::GetReflection()->ClearField(&quota, field);
  } else {
    v1::Quota::GetReflection()->SetInt64(&quota, field, value);
  }
}

}  // namespace

absl::Status QuotaError(absl::string_view subject, absl::string_view description, std::optional<absl::Duration> retry) {
  absl::Status status = absl::ResourceExhaustedError(description);
  rpc::QuotaFailure failure;
  auto* violation = failure.add_violations();
  violation->set_subject(std::string(subject));
  violation->set_description(std::string(description));
  status.SetPayload(kQuotaFailureUrl, absl::Cord(failure.SerializeAsString()));
  if (retry.has_value()) SetRetryDelay(status, *retry);
  return status;
}

void SetRetryDelay(absl::Status& status, absl::Duration delay) {
  rpc::RetryInfo info;
  *info.mutable_retry_delay() =
      google::protobuf::util::TimeUtil::NanosecondsToDuration(absl::ToInt64Nanoseconds(delay));
  status.SetPayload(kRetryInfoUrl, absl::Cord(info.SerializeAsString()));
}

int64_t ValueOf(const v1::Quota& quota, QuotaKind kind) {
  const FieldDescriptor* field = FieldOf(kind);
  const auto& reflection = *v1::Quota::GetReflection();
  return reflection.HasField(quota, field) ? reflection.GetInt64(quota, field) : kNoLimit;
}

void SetValue(v1::Quota& quota, QuotaKind kind, int64_t value) {
  v1::Quota::GetReflection()->SetInt64(&quota, FieldOf(kind), value);
}

absl::Status CheckQuota(const std::string& user, const v1::Quota& limits, QuotaKind kind, int64_t used, int64_t more,
                        absl::string_view instead, std::optional<absl::Duration> retry) {
  const int64_t limit = ValueOf(limits, kind);
  if (used <= limit && more <= limit - used) return absl::OkStatus();
  return QuotaError(
      absl::StrCat("users/", user),
      absl::StrCat(user, "'s quota of ", NameOf(kind), " is ", AmountText(kind, limit), ": ", AmountText(kind, used),
                   used == 1 ? " is" : " are", " taken, this takes ", AmountText(kind, more), "; ", instead),
      retry);
}

absl::Status ParseQuota(absl::string_view text, v1::Quota& quota) { return ParseParts(text, /*change=*/false, quota); }

absl::Status ParseQuotaChange(absl::string_view text, v1::Quota& change) {
  return ParseParts(text, /*change=*/true, change);
}

std::string QuotaText(const v1::Quota& quota) {
  std::vector<std::string> parts;
  ForEachLimit(quota, [&](const FieldDescriptor* field, int64_t value) {
    parts.push_back(absl::StrCat(field->name(), "=", value == kNoLimit ? "none" : absl::StrCat(value)));
  });
  return absl::StrJoin(parts, ",");
}

absl::Status CheckQuotaChange(const v1::Quota& change) {
  absl::Status status;
  ForEachLimit(change, [&](const FieldDescriptor* field, int64_t value) {
    if (value < kServersLimit) status = FieldError("quota." + field->name(), "wants a number from 0 on, or -1");
  });
  return status;
}

void ApplyQuotaChange(const v1::Quota& change, v1::Quota& own) {
  ForEachLimit(change, [&](const FieldDescriptor* field, int64_t value) {
    SetOrClear(field, value, /*absent=*/kServersLimit, own);
  });
}

v1::Quota EffectiveQuota(const v1::Quota& servers, const v1::Quota& own) {
  v1::Quota merged = servers;
  merged.MergeFrom(own);
  v1::Quota limits;
  ForEachLimit(merged, [&](const FieldDescriptor* field, int64_t value) {
    SetOrClear(field, value, /*absent=*/kNoLimit, limits);
  });
  return limits;
}

std::string AmountText(QuotaKind kind, int64_t amount) {
  if (!IsBytes(FieldOf(kind)->name()) || amount < 1024) return absl::StrCat(amount);
  constexpr const char* kUnits[] = {"KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(amount) / 1024;
  size_t unit = 0;
  for (; value >= 1024 && unit + 1 < std::size(kUnits); ++unit) value /= 1024;
  return absl::StrFormat("%.1f %s", value, kUnits[unit]);
}

std::string NameOf(QuotaKind kind) { return FieldOf(kind)->name(); }

}  // namespace traind::server
