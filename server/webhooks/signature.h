// Signatures as Standard Webhooks (https://www.standardwebhooks.com) has them, so that its libraries check ours.
// Thread-safe.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace traind::server {

// The key that the file holds as "whsec_" and base64 of 24 to 64 bytes. INVALID_ARGUMENT: it holds something else, or
// other users can read it. Errors of reading it.
absl::StatusOr<std::string> ReadWebhookSecret(const std::string& path);

// The value of the header webhook-signature: "v1," and the base64 of HMAC-SHA256 over "<id>.<timestamp>.<body>".
std::string SignWebhook(absl::string_view key, absl::string_view id, int64_t timestamp, absl::string_view body);

}  // namespace traind::server
