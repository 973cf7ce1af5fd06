// What HTTP's handshakes are made with: TLS 1.2 or newer, forward secrecy, ALPN http/1.1, and the certificate that the
// port of gRPC has at the moment. Thread-safe.
#pragma once

#include <boost/asio/ssl/context.hpp>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "server/tls/credentials.h"

namespace traind::server {

class TlsContexts {
 public:
  // `credentials` outlive this.
  explicit TlsContexts(const TlsCredentials* credentials) : credentials_(credentials) {}

  // For the next connection. INTERNAL: OpenSSL does not take what it took before.
  absl::StatusOr<std::shared_ptr<boost::asio::ssl::context>> Current();

 private:
  const TlsCredentials* const credentials_;
  absl::Mutex mu_;
  std::shared_ptr<const TlsMaterial> material_ ABSL_GUARDED_BY(mu_);
  std::shared_ptr<boost::asio::ssl::context> context_ ABSL_GUARDED_BY(mu_);  // Made of it.
};

}  // namespace traind::server
