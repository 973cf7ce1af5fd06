// Who the server has to be, and who we are: what TLS trusts, a certificate of our own, a token. Files are read once and
// checked, because gRPC would only fail every handshake. Functions are thread-safe.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace traind::client {

// Nothing set: no TLS and no token.
struct Credentials {
  bool tls = false;
  std::string ca = "";    // PEM: the authorities that may have signed the server's certificate. Empty: the system's.
  std::string cert = "";  // PEM: our certificate, for a server that wants one. Empty: none.
  std::string key = "";   // PEM: its private key.
  // Sent with every call, as "authorization: Bearer ...". Never to another machine without TLS: such calls fail with
  // FAILED_PRECONDITION.
  std::string token = "";
};

// Where they come from. An empty path: not given.
struct CredentialFiles {
  bool tls = false;  // Implied by each of the next three.
  std::string tls_ca = "";
  std::string tls_cert = "";
  std::string tls_key = "";
  std::string token_file = "";  // "-": the standard input.

  bool operator==(const CredentialFiles&) const = default;
};

// Errors name the option ("tls-key"), the file, and what to do: it is not there, is not what it should be, does not fit
// to the other, or, of a key or a token, others of this machine can read it.
absl::StatusOr<Credentials> ReadCredentials(const CredentialFiles& files);

// Stands for whoever shows these credentials, and gives none of them away: 8 hex digits; empty without token and
// certificate.
std::string CallerTag(const Credentials& credentials);

// FAILED_PRECONDITION: the token would travel in the open to another machine.
absl::Status CheckCredentials(absl::string_view server, const Credentials& credentials);

}  // namespace traind::client
