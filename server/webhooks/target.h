// Where webhooks go, and where they may not. Pure; thread-safe.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace traind::server {

// Whether the address is one of the public internet: not of this machine, of an inside network (RFC 1918, fc00::/7), of
// a link (169.254.0.0/16 with the metadata of clouds, fe80::/10), nor one kept for other purposes. IPv4 in IPv6 counts
// as what is in it.
bool IsPublic(const sockaddr& address);

// A URL that was looked over, in its parts.
struct WebhookTarget {
  std::string url;             // As it was given.
  std::string shown;           // For the log: scheme and authority alone, since the path may be a secret.
  bool tls = true;             // https.
  std::string host = "";       // A name in lower case, or an address; of IPv6 without brackets.
  uint16_t port = 0;           // That of the scheme, where none was given.
  std::string authority = "";  // The header Host: IPv6 in brackets, and the port where it is not that of the scheme.
  std::string path = "";       // What is asked for: from the first slash on, with the query.
};

// INVALID_ARGUMENT: no URL of http or https (RFC 3986), one with a user or password, a fragment, which is never sent,
// an address in a form of its own (0x7f000001, 127.1), or http without `allow_private`, where everybody on the way
// could read along. The error holds nothing of the path, nor of a password.
absl::StatusOr<WebhookTarget> ParseWebhookUrl(const std::string& url, bool allow_private);

}  // namespace traind::server
