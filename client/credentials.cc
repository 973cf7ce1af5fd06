#include "client/credentials.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <sys/stat.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "client/file.h"
#include "client/loopback.h"

namespace traind::client {
namespace {

constexpr size_t kLargestPem = 1 << 20;
constexpr size_t kLongestToken = 4096;

struct FreeOpenssl {
  void operator()(BIO* object) const { BIO_free(object); }
  void operator()(X509* object) const { X509_free(object); }
  void operator()(EVP_PKEY* object) const { EVP_PKEY_free(object); }
};
template <class T>
using Owned = std::unique_ptr<T, FreeOpenssl>;

Owned<BIO> Over(const std::string& text) {
  return Owned<BIO>(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

absl::Status Wrong(absl::string_view option, absl::string_view path, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(option, " ", path, ": ", what));
}

absl::StatusOr<std::string> ReadOption(absl::string_view option, const std::string& path, size_t max_bytes) {
  auto text = ReadText(path, max_bytes);
  if (!text.ok()) return absl::Status(text.status().code(), absl::StrCat(option, ": ", text.status().message()));
  return text;
}

// Group readers stay possible: that is how containers hand secrets to a user that is not root.
absl::StatusOr<std::string> ReadSecret(absl::string_view option, const std::string& path, size_t max_bytes) {
  struct stat info = {};
  if (path != "-" && stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) && (info.st_mode & S_IRWXO) != 0) {
    return Wrong(option, path, "every user of this machine can read it or write to it: chmod o= the file");
  }
  return ReadOption(option, path, max_bytes);
}

Owned<X509> FirstCertificate(const std::string& pem) {
  Owned<X509> certificate(PEM_read_bio_X509(Over(pem).get(), nullptr, nullptr, nullptr));
  ERR_clear_error();
  return certificate;
}

// A passphrase is not asked for.
int NoPassphrase(char*, int, int, void*) { return -1; }

Owned<EVP_PKEY> KeyIn(const std::string& pem) {
  Owned<EVP_PKEY> key(PEM_read_bio_PrivateKey(Over(pem).get(), nullptr, NoPassphrase, nullptr));
  ERR_clear_error();
  return key;
}

absl::Status ReadOwnCertificate(const CredentialFiles& files, Credentials& credentials) {
  if (files.tls_cert.empty() && files.tls_key.empty()) return absl::OkStatus();
  if (files.tls_cert.empty()) return absl::InvalidArgumentError("tls-key needs tls-cert");
  if (files.tls_key.empty()) return absl::InvalidArgumentError("tls-cert needs tls-key");
  auto cert = ReadOption("tls-cert", files.tls_cert, kLargestPem);
  if (!cert.ok()) return cert.status();
  auto key = ReadSecret("tls-key", files.tls_key, kLargestPem);
  if (!key.ok()) return key.status();
  const Owned<X509> certificate = FirstCertificate(*cert);
  if (certificate == nullptr) return Wrong("tls-cert", files.tls_cert, "holds no certificate in PEM");
  const Owned<EVP_PKEY> secret = KeyIn(*key);
  if (secret == nullptr) return Wrong("tls-key", files.tls_key, "holds no private key in PEM, or an encrypted one");
  if (X509_check_private_key(certificate.get(), secret.get()) != 1) {
    ERR_clear_error();
    return Wrong("tls-key", files.tls_key, absl::StrCat("is not the key of ", files.tls_cert));
  }
  if (X509_cmp_current_time(X509_get0_notAfter(certificate.get())) < 0) {
    return Wrong("tls-cert", files.tls_cert, "has expired");
  }
  credentials.cert = *std::move(cert);
  credentials.key = *std::move(key);
  return absl::OkStatus();
}

// What may stand in a header (RFC 6750).
bool IsTokenCharacter(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
         absl::string_view("-._~+/=").find(c) != absl::string_view::npos;
}

absl::StatusOr<std::string> ReadToken(const std::string& path) {
  auto text = ReadSecret("token-file", path, kLongestToken);
  if (!text.ok()) return text.status();
  absl::StripAsciiWhitespace(&*text);
  if (text->empty()) return Wrong("token-file", path, "is empty");
  if (!std::all_of(text->begin(), text->end(), IsTokenCharacter)) {
    return Wrong("token-file", path, "holds something other than one token");
  }
  return text;
}

}  // namespace

absl::StatusOr<Credentials> ReadCredentials(const CredentialFiles& files) {
  Credentials credentials;
  credentials.tls = files.tls || !files.tls_ca.empty() || !files.tls_cert.empty() || !files.tls_key.empty();
  if (!files.tls_ca.empty()) {
    auto ca = ReadOption("tls-ca", files.tls_ca, kLargestPem);
    if (!ca.ok()) return ca.status();
    if (FirstCertificate(*ca) == nullptr) return Wrong("tls-ca", files.tls_ca, "holds no certificate in PEM");
    credentials.ca = *std::move(ca);
  }
  if (absl::Status status = ReadOwnCertificate(files, credentials); !status.ok()) return status;
  if (!files.token_file.empty()) {
    auto token = ReadToken(files.token_file);
    if (!token.ok()) return token.status();
    credentials.token = *std::move(token);
  }
  return credentials;
}

std::string CallerTag(const Credentials& credentials) {
  const std::string& shown = credentials.token.empty() ? credentials.cert : credentials.token;
  if (shown.empty()) return "";
  unsigned char hash[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(shown.data()), shown.size(), hash);
  constexpr size_t kBytes = 4;
  return absl::BytesToHexString({reinterpret_cast<const char*>(hash), kBytes});
}

absl::Status CheckCredentials(absl::string_view server, const Credentials& credentials) {
  if (credentials.token.empty() || credentials.tls || IsLoopback(server)) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("the token would travel unencrypted to ", server, ": use TLS (--tls or --tls-ca)"));
}

}  // namespace traind::client
