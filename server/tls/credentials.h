// TLS for the server's port: 1.2 or newer, ALPN h2. The files are read again while the server runs, so that a renewed
// certificate counts for the next handshake; one that is not sound is refused and named in the log, and the one before
// stays. (gRPC's own FileWatcherCertificateProvider takes what it finds, and fails every handshake then.) Logs when the
// certificate is about to expire. Thread-safe.
#pragma once

#include <grpcpp/security/server_credentials.h>

#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "core/base/ending.h"
#include "server/tls/certificates.h"

namespace traind::server {

class TlsCredentials {
 public:
  static constexpr absl::Duration kLook = absl::Seconds(5);

  // Errors as ReadTls. `look`: between two looks at the files.
  static absl::StatusOr<std::unique_ptr<TlsCredentials>> Start(const TlsFiles& files, absl::Duration look = kLook);
  ~TlsCredentials();

  // For one port of a server that ends before this does.
  std::shared_ptr<grpc::ServerCredentials> ForPort();
  // What new handshakes get.
  std::shared_ptr<const TlsMaterial> material() const;
  // When the certificate that is in use expires.
  absl::Time expiry() const { return material()->expiry; }
  // Looks at the files now. The error, if what they hold is not taken.
  absl::Status Reload();

  // What one port of gRPC has been given last. For the .cc file.
  struct Port {
    const TlsCredentials* owner;
    std::shared_ptr<const TlsMaterial> given;
  };

 private:
  TlsCredentials(TlsFiles files, absl::Duration look, TlsMaterial material);
  void Run();
  void WarnOfExpiry();

  const TlsFiles files_;
  const absl::Duration look_;
  mutable absl::Mutex mu_;
  std::shared_ptr<const TlsMaterial> material_ ABSL_GUARDED_BY(mu_);
  std::vector<std::unique_ptr<Port>> ports_ ABSL_GUARDED_BY(mu_);
  core::Ending ending_;
  // Of the thread.
  std::string refused_;        // The error that was logged last; empty: none.
  std::optional<int> warned_;  // Days left that were logged last.
  std::thread thread_;
};

}  // namespace traind::server
