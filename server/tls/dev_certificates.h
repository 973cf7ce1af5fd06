// Certificates for trying TLS out: an authority of one's own, a server's and a client's certificate. The authority's
// key is forgotten, so that nobody can make another certificate that its users trust.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace traind::server {

inline constexpr absl::Duration kDevCertificateLifetime = absl::Hours(24 * 365);

struct DevCertificates {
  std::string folder;                   // Made if absent, with mode 0700.
  std::vector<std::string> names = {};  // DNS names and addresses beside localhost, 127.0.0.1 and ::1.
  std::string client = "dev";           // Common name of the client's certificate.
  // Of all certificates. Tests make some that have expired.
  absl::Time begin = absl::UnixEpoch();
  absl::Duration lifetime = kDevCertificateLifetime;
};

// Writes ca.pem, server.pem, server-key.pem, client.pem and client-key.pem, the keys with mode 0600. ALREADY_EXISTS:
// one of them is there; INVALID_ARGUMENT: a name is neither a DNS name nor an address.
absl::Status MakeDevCertificates(const DevCertificates& wanted);

}  // namespace traind::server
