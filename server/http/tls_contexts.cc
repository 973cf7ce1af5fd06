#include "server/http/tls_contexts.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <boost/asio/buffer.hpp>
#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/tls/openssl.h"

namespace traind::server {
namespace {

namespace ssl = boost::asio::ssl;

constexpr char kCiphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20";  // Of TLS 1.2; those of 1.3 are all good.
constexpr unsigned char kHttp[] = "\x08http/1.1";

// A client that offers other protocols alone gets none.
int SelectHttp(SSL*, const unsigned char** chosen, unsigned char* size, const unsigned char* offered, unsigned length,
               void*) {
  unsigned char* found = nullptr;
  if (SSL_select_next_proto(&found, size, kHttp, sizeof(kHttp) - 1, offered, length) != OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  *chosen = found;
  return SSL_TLSEXT_ERR_OK;
}

// Of every client a certificate that one of the authorities has signed.
bool RequireCertificates(SSL_CTX* context, const std::string& authorities) {
  const Bio bio(BIO_new_mem_buf(authorities.data(), static_cast<int>(authorities.size())));
  while (const Certificate next{PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)}) {
    if (X509_STORE_add_cert(SSL_CTX_get_cert_store(context), next.get()) != 1) return false;
    if (SSL_CTX_add_client_CA(context, next.get()) != 1) return false;
  }
  ERR_clear_error();  // The end of the text.
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  return true;
}

bool SetUp(ssl::context& context, const TlsMaterial& material) {
  SSL_CTX* native = context.native_handle();
  boost::system::error_code error;
  context.use_certificate_chain(boost::asio::buffer(material.chain), error);
  if (!error) context.use_private_key(boost::asio::buffer(material.key), ssl::context::pem, error);
  if (error || SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION) != 1) return false;
  if (SSL_CTX_set_cipher_list(native, kCiphers) != 1) return false;
  // Without tickets each connection is checked against the authorities of today.
  SSL_CTX_set_options(native, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_num_tickets(native, 0);
  SSL_CTX_set_session_cache_mode(native, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_alpn_select_cb(native, &SelectHttp, nullptr);
  return material.client_cas.empty() || RequireCertificates(native, material.client_cas);
}

}  // namespace

absl::StatusOr<std::shared_ptr<ssl::context>> TlsContexts::Current() {
  auto material = credentials_->material();
  absl::MutexLock lock(&mu_);
  if (material == material_) return context_;
  auto context = std::make_shared<ssl::context>(ssl::context::tls_server);
  if (!SetUp(*context, *material)) {
    return absl::InternalError(absl::StrCat("OpenSSL does not take the certificate: ", TakeOpensslError()));
  }
  material_ = std::move(material);
  context_ = std::move(context);
  return context_;
}

}  // namespace traind::server
