#include "server/tls/credentials.h"

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>

#include <string>
#include <utility>

#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "spdlog/spdlog.h"

namespace traind::server {
namespace {

// gRPC 1.51 ends the process without authorities; where no client is asked for a certificate, any will do.
grpc_ssl_server_certificate_config* ToConfig(const TlsMaterial& material) {
  const grpc_ssl_pem_key_cert_pair pair = {.private_key = material.key.c_str(), .cert_chain = material.chain.c_str()};
  const std::string& authorities = material.client_cas.empty() ? material.chain : material.client_cas;
  return grpc_ssl_server_certificate_config_create(authorities.c_str(), &pair, 1);
}

// Before each handshake.
grpc_ssl_certificate_config_reload_status Fetch(void* port, grpc_ssl_server_certificate_config** config) {
  auto& state = *static_cast<TlsCredentials::Port*>(port);
  auto material = state.owner->material();
  if (material == state.given) return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
  *config = ToConfig(*material);
  if (*config == nullptr) return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_FAIL;
  state.given = std::move(material);
  return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
}

// gRPC's C++ interface knows no certificates that change but those it reads by itself.
class PortCredentials final : public grpc::ServerCredentials {
 public:
  PortCredentials(TlsCredentials::Port* port, bool require_client_certificate)
      : credentials_(grpc_ssl_server_credentials_create_with_options(
            grpc_ssl_server_credentials_create_options_using_config_fetcher(
                require_client_certificate ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
                                           : GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE,
                Fetch, port))) {}
  ~PortCredentials() override { grpc_server_credentials_release(credentials_); }

  void SetAuthMetadataProcessor(const std::shared_ptr<grpc::AuthMetadataProcessor>&) override {}

 private:
  int AddPortToServer(const std::string& address, grpc_server* server) override {
    return grpc_server_add_http2_port(server, address.c_str(), credentials_);
  }

  grpc_server_credentials* const credentials_;
};

bool IsSame(const TlsMaterial& one, const TlsMaterial& other) {
  return one.chain == other.chain && one.key == other.key && one.client_cas == other.client_cas;
}

}  // namespace

absl::StatusOr<std::unique_ptr<TlsCredentials>> TlsCredentials::Start(const TlsFiles& files, absl::Duration look) {
  auto material = ReadTls(files, absl::Now());
  if (!material.ok()) return material.status();
  return std::unique_ptr<TlsCredentials>(new TlsCredentials(files, look, *std::move(material)));
}

TlsCredentials::TlsCredentials(TlsFiles files, absl::Duration look, TlsMaterial material)
    : files_(std::move(files)), look_(look), material_(std::make_shared<const TlsMaterial>(std::move(material))) {
  WarnOfExpiry();
  thread_ = std::thread([this] { Run(); });
}

TlsCredentials::~TlsCredentials() {
  ending_.End();
  thread_.join();
}

std::shared_ptr<grpc::ServerCredentials> TlsCredentials::ForPort() {
  absl::MutexLock lock(&mu_);
  ports_.push_back(std::make_unique<Port>(Port{.owner = this, .given = nullptr}));
  return std::make_shared<PortCredentials>(ports_.back().get(), !files_.client_ca.empty());
}

std::shared_ptr<const TlsMaterial> TlsCredentials::material() const {
  absl::MutexLock lock(&mu_);
  return material_;
}

absl::Status TlsCredentials::Reload() {
  auto read = ReadTls(files_, absl::Now());
  if (!read.ok()) return read.status();
  if (IsSame(*read, *material())) return absl::OkStatus();
  auto renewed = std::make_shared<const TlsMaterial>(*std::move(read));
  spdlog::info("TLS: new connections get the certificate {} for {}, valid until {}", renewed->subject,
               absl::StrJoin(renewed->names, ", "), absl::FormatTime(renewed->expiry, absl::UTCTimeZone()));
  absl::MutexLock lock(&mu_);
  material_ = std::move(renewed);
  return absl::OkStatus();
}

void TlsCredentials::Run() {
  while (!ending_.WaitFor(look_)) {
    const absl::Status status = Reload();
    std::string refused(status.message());
    if (!status.ok() && refused != refused_) {
      spdlog::error("TLS: the files are not taken, the certificate before stays in use: {}", refused);
    }
    if (status.ok() && !refused_.empty()) spdlog::info("TLS: the files are sound again");
    refused_ = std::move(refused);
    WarnOfExpiry();
  }
}

void TlsCredentials::WarnOfExpiry() {
  const std::shared_ptr<const TlsMaterial> used = material();
  const std::optional<int> days = DaysLeft(used->expiry, absl::Now());
  if (days == warned_) return;
  warned_ = days;
  if (!days.has_value()) return;
  const std::string at = absl::FormatTime(used->expiry, absl::UTCTimeZone());
  if (*days == 0) {
    spdlog::error("TLS: the certificate {} expired at {}: clients refuse it; put a new one at {}", used->subject, at,
                  files_.cert);
  } else {
    spdlog::warn("TLS: the certificate {} expires within {} day{}, at {}; put a new one at {}", used->subject, *days,
                 *days == 1 ? "" : "s", at, files_.cert);
  }
}

}  // namespace traind::server
