// Quotas as people write and read them. Pure functions.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "traind/v1/quota.pb.h"

namespace traind::client {

// Sets what "threads=4,dataset_bytes=10GiB,streams=none,events=default" says, as a change for SetUser.
// INVALID_ARGUMENT, with the names there are.
absl::Status ParseQuota(absl::string_view text, v1::Quota& change);

// "threads=4, streams=none"; empty: nothing is set.
std::string FormatQuota(const v1::Quota& quota);

}  // namespace traind::client
