// One HTTP request of a webhook. Thread-safe.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "core/base/ending.h"
#include "server/webhooks/lookup.h"
#include "server/webhooks/target.h"

namespace traind::server {

struct PostOptions {
  bool allow_private = false;                  // Addresses for which IsPublic is false.
  absl::Duration timeout = absl::Seconds(10);  // From the look-up of the name to the last byte of the answer.
  std::string ca_file = "";                    // Authorities of https, in place of the system's.
  Resolver resolver = AskSystem;
};

using PostHeaders = std::vector<std::pair<std::string, std::string>>;  // Beside Host and those of HTTP itself.

// OK: the other side answered with 2xx. Otherwise why not, in words that hold no part of the URL or of the answer:
// PERMISSION_DENIED: its address is inside, and nothing was sent; CANCELLED: `stop`, soon after it has ended.
// Goes through no proxy and follows no redirect. The name is looked up once, every address that it has is looked at,
// and these are connected to. Of the answer no more is read than WebhookAnswer takes.
absl::Status Post(const WebhookTarget& target, const PostHeaders& headers, const std::string& body,
                  const PostOptions& options, const core::Ending& stop);

}  // namespace traind::server
