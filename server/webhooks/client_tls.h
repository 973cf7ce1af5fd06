// TLS as those speak it who send webhooks: 1.2 or newer, with certificates that authorities have signed for the very
// host (RFC 6125; a name in the subject alone does not count). Thread-safe.
#pragma once

#include <openssl/ssl.h>

#include <boost/asio/ssl/context.hpp>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace traind::server {

// Whether there are authorities: those of the PEM file, or the system's where it is empty. INVALID_ARGUMENT: it holds
// none. FAILED_PRECONDITION: the system has none.
absl::Status CheckAuthorities(const std::string& ca_file);

// For one connection, with the authorities of this moment. UNAVAILABLE: the file does not hold any.
absl::StatusOr<std::unique_ptr<boost::asio::ssl::context>> ClientTls(const std::string& ca_file);

// Asks for the host, a name or an address, and takes no certificate that is not for it. INTERNAL: OpenSSL cannot.
absl::Status ExpectHost(SSL* tls, const std::string& host);

// Why a handshake has failed, where that is for the certificate; else "".
std::string RefusedCertificate(SSL* tls);

}  // namespace traind::server
