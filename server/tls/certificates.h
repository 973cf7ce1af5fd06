// The certificate, key and authorities that TLS is spoken with, as PEM files: read, and checked before anything uses
// them, because gRPC would only fail every handshake. Thread-safe.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace traind::server {

struct TlsFiles {
  std::string cert = "";       // --tls-cert: the server's certificate, then those of its issuers. Empty: no TLS.
  std::string key = "";        // --tls-key
  std::string client_ca = "";  // --tls-client-ca: who signs the certificates of clients. Empty: clients need none.

  bool enabled() const { return !cert.empty(); }
};

// What the files held, sound and fitting together.
struct TlsMaterial {
  std::string chain;
  std::string key;
  std::string client_cas;
  std::string subject;             // Of the server's certificate: "CN=train.example.org".
  std::vector<std::string> names;  // DNS names and addresses that it is for.
  absl::Time expiry;               // When the first certificate of the chain expires.
};

// INVALID_ARGUMENT: one of the flags was given without another that it needs.
absl::Status CheckTlsFlags(const TlsFiles& files);

// Reads and checks the files; `files` is enabled. Every error names the flag and the file. FAILED_PRECONDITION: the key
// does not belong to the certificate, a certificate has expired or is not valid yet, is not for servers or too weak for
// OpenSSL, or other users of the machine can read the key. INVALID_ARGUMENT: a file is not in PEM. NOT_FOUND,
// PERMISSION_DENIED: a file.
absl::StatusOr<TlsMaterial> ReadTls(const TlsFiles& files, absl::Time now);

// How many days, of 30, 7, 1 and 0, a certificate has at most; nothing while it has more than 30.
std::optional<int> DaysLeft(absl::Time expiry, absl::Time now);

}  // namespace traind::server
