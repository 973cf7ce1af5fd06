#include "server/webhooks/client_tls.h"

#include <openssl/x509v3.h>

#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "server/tls/openssl.h"

namespace traind::server {
namespace {

namespace ssl = boost::asio::ssl;

constexpr unsigned char kHttp11[] = "\x08http/1.1";  // In the form of ALPN.

std::string Setting(const char* variable, const char* otherwise) {
  const char* value = std::getenv(variable);
  return value == nullptr ? otherwise : value;
}

// OpenSSL looks for them where it was built to, or where these variables say.
bool SystemHasAuthorities() {
  std::error_code error;
  const std::string file = Setting(X509_get_default_cert_file_env(), X509_get_default_cert_file());
  if (std::filesystem::exists(file, error)) return true;
  const std::string folders = Setting(X509_get_default_cert_dir_env(), X509_get_default_cert_dir());
  for (const absl::string_view folder : absl::StrSplit(folders, ':')) {
    if (std::filesystem::directory_iterator(std::string(folder), error) != end(std::filesystem::directory_iterator())) {
      return true;
    }
  }
  return false;
}

bool LoadAuthorities(SSL_CTX* context, const std::string& ca_file) {
  return ca_file.empty() ? SSL_CTX_set_default_verify_paths(context) == 1
                         : SSL_CTX_load_verify_file(context, ca_file.c_str()) == 1;
}

// Also one that signs others by a certificate that a higher one has signed may be trusted.
bool SetUpClient(SSL_CTX* context) {
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  X509_STORE_set_flags(SSL_CTX_get_cert_store(context), X509_V_FLAG_PARTIAL_CHAIN);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
         SSL_CTX_set_alpn_protos(context, kHttp11, sizeof(kHttp11) - 1) == 0;  // Zero is success here.
}

bool IsForeignAuthority(long code) {
  return code == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT || code == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY ||
         code == X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE || code == X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN ||
         code == X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT;
}

}  // namespace

absl::Status CheckAuthorities(const std::string& ca_file) {
  if (ca_file.empty()) {
    if (SystemHasAuthorities()) return absl::OkStatus();
    return absl::FailedPreconditionError(
        "--webhook: no certificate can be checked, this machine has no authorities; install ca-certificates, or give "
        "--webhook-ca FILE");
  }
  const absl::Status status = ClientTls(ca_file).status();
  return status.ok() ? status : absl::InvalidArgumentError(status.message());
}

absl::StatusOr<std::unique_ptr<ssl::context>> ClientTls(const std::string& ca_file) {
  auto context = std::make_unique<ssl::context>(ssl::context::tls_client);
  if (!LoadAuthorities(context->native_handle(), ca_file)) {
    return absl::UnavailableError(
        absl::StrCat("--webhook-ca ", ca_file, ": no certificates in PEM can be read from it: ", TakeOpensslError()));
  }
  if (!SetUpClient(context->native_handle())) {
    return absl::InternalError(absl::StrCat("OpenSSL cannot be used: ", TakeOpensslError()));
  }
  return context;
}

absl::Status ExpectHost(SSL* tls, const std::string& host) {
  X509_VERIFY_PARAM* const wanted = SSL_get0_param(tls);
  bool done = X509_VERIFY_PARAM_set1_ip_asc(wanted, host.c_str()) == 1;
  if (!done) {  // A name; one that ends in a dot is the same one to certificates.
    const std::string name(absl::StripSuffix(host, "."));
    X509_VERIFY_PARAM_set_hostflags(wanted, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    done = SSL_set1_host(tls, name.c_str()) == 1 && SSL_set_tlsext_host_name(tls, name.c_str()) == 1;
  }
  return done ? absl::OkStatus() : absl::InternalError(absl::StrCat("OpenSSL cannot be used: ", TakeOpensslError()));
}

std::string RefusedCertificate(SSL* tls) {
  const long code = SSL_get_verify_result(tls);
  if (code == X509_V_OK) return "";
  return absl::StrCat("its certificate is not taken: ", X509_verify_cert_error_string(code),
                      IsForeignAuthority(code) ? " (--webhook-ca FILE names authorities of one's own)" : "");
}

}  // namespace traind::server
