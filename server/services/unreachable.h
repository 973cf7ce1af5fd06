// What becomes of a resource whose files cannot be read: lists pass over it and name it, and it can be deleted.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "spdlog/spdlog.h"

namespace traind::server {

inline absl::Status Unreadable(absl::string_view name, const absl::Status& why) {
  return absl::DataLossError(absl::StrCat(name, " cannot be read: ", why.message(), "; it can be deleted"));
}

inline void LogUnreachable(absl::string_view collection, absl::string_view id, const absl::Status& why) {
  spdlog::error("{}/{} is passed over in lists: {}", std::string(collection), std::string(id),
                std::string(why.message()));
}

}  // namespace traind::server
