#include "server/tls/certificates.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "server/tls/openssl.h"

namespace traind::server {
namespace {

constexpr int64_t kLargestPem = 1 << 20;
constexpr size_t kMostCertificates = 1000;  // A whole system's authorities are 150.

// One of the files, with what its errors begin with.
struct PemFile {
  const char* flag;
  const std::string& path;

  absl::Status Error(absl::StatusCode code, absl::string_view what) const {
    return {code, absl::StrCat(flag, " ", path, ": ", what)};
  }
  absl::Status Unfit(absl::string_view what) const { return Error(absl::StatusCode::kFailedPrecondition, what); }
  absl::Status Malformed(absl::string_view what) const { return Error(absl::StatusCode::kInvalidArgument, what); }
  absl::StatusOr<std::string> Read() const {
    auto text = core::ReadFile(path, kLargestPem);
    if (!text.ok()) return absl::Status(text.status().code(), absl::StrCat(flag, ": ", text.status().message()));
    return text;
  }
};

Bio Over(const std::string& text) { return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))); }

absl::StatusOr<std::vector<Certificate>> ParseCertificates(const PemFile& file, const std::string& pem) {
  const Bio bio = Over(pem);
  std::vector<Certificate> certificates;
  ERR_clear_error();
  while (Certificate next{PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)}) {
    certificates.push_back(std::move(next));
    if (certificates.size() > kMostCertificates) return file.Malformed("holds more than 1000 certificates");
  }
  const bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  if (!at_end) {
    return file.Malformed(absl::StrCat("certificate ", certificates.size() + 1, " is damaged: ", TakeOpensslError()));
  }
  ERR_clear_error();
  if (certificates.empty()) return file.Malformed("holds no certificate (-----BEGIN CERTIFICATE-----)");
  return certificates;
}

// A passphrase could come from nowhere: a server starts by itself.
int NoPassphrase(char*, int, int, void* asked) {
  *static_cast<bool*>(asked) = true;
  return -1;
}

absl::StatusOr<PrivateKey> ParseKey(const PemFile& file, const std::string& pem) {
  bool asked = false;
  const Bio bio = Over(pem);
  PrivateKey key(PEM_read_bio_PrivateKey(bio.get(), nullptr, NoPassphrase, &asked));
  const std::string error = TakeOpensslError();
  if (key != nullptr) return key;
  if (asked) return file.Malformed("is encrypted; `openssl pkey -in FILE -out PLAIN` takes the passphrase off");
  return file.Malformed(absl::StrCat("holds no private key that OpenSSL can read: ", error));
}

// Group readers stay possible: that is how containers hand keys to a user that is not root.
absl::Status CheckSecret(const PemFile& file) {
  struct stat info = {};
  if (stat(file.path.c_str(), &info) != 0)
    return core::ErrnoStatus(errno, absl::StrCat(file.flag, ": look at"), file.path);
  if ((info.st_mode & S_IRWXO) == 0) return absl::OkStatus();
  return file.Unfit("every user of this machine can read it or write to it: chmod o= the file");
}

absl::Time ToTime(const ASN1_TIME* time) {
  std::tm broken_down = {};
  if (ASN1_TIME_to_tm(time, &broken_down) != 1) return absl::InfinitePast();
  return absl::FromTM(broken_down, absl::UTCTimeZone());
}

std::string Day(absl::Time time) { return absl::FormatTime("%Y-%m-%d %H:%M UTC", time, absl::UTCTimeZone()); }

std::string SubjectOf(X509* certificate) {
  const Bio bio(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(bio.get(), X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253);
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return {text, static_cast<size_t>(std::max(0L, size))};
}

absl::Status CheckDates(const PemFile& file, X509* certificate, absl::Time now) {
  const absl::Time begin = ToTime(X509_get0_notBefore(certificate));
  const absl::Time end = ToTime(X509_get0_notAfter(certificate));
  const std::string of = absl::StrCat("the certificate of ", SubjectOf(certificate));
  if (end <= now) return file.Unfit(absl::StrCat(of, " expired at ", Day(end)));
  if (begin > now) return file.Unfit(absl::StrCat(of, " is not valid before ", Day(begin), "; is the clock right?"));
  return absl::OkStatus();
}

std::vector<std::string> NamesOf(X509* certificate) {
  std::vector<std::string> names;
  auto* alternatives =
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; i < sk_GENERAL_NAME_num(alternatives); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(alternatives, i);
    const auto bytes_of = [](const ASN1_STRING* text) {
      return std::string(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                         static_cast<size_t>(ASN1_STRING_length(text)));
    };
    if (name->type == GEN_DNS) names.push_back(bytes_of(name->d.dNSName));
    if (name->type != GEN_IPADD) continue;
    const std::string address = bytes_of(name->d.iPAddress);
    char text[INET6_ADDRSTRLEN] = {};
    if (inet_ntop(address.size() == 4 ? AF_INET : AF_INET6, address.data(), text, sizeof(text)) != nullptr) {
      names.emplace_back(text);
    }
  }
  GENERAL_NAMES_free(alternatives);
  return names;
}

// What gRPC will do with each handshake, done once: OpenSSL's security level has the last word.
absl::Status TryContext(const PemFile& file, X509* certificate, EVP_PKEY* key) {
  const SslContext context(SSL_CTX_new(TLS_server_method()));
  if (context == nullptr) return file.Unfit(TakeOpensslError());
  if (SSL_CTX_use_certificate(context.get(), certificate) == 1 && SSL_CTX_use_PrivateKey(context.get(), key) == 1) {
    return absl::OkStatus();
  }
  return file.Unfit(absl::StrCat("OpenSSL does not take it: ", TakeOpensslError()));
}

absl::Status CheckServerCertificate(const PemFile& cert, const PemFile& key_file, X509* leaf, EVP_PKEY* key) {
  if (X509_check_private_key(leaf, key) != 1) {
    ERR_clear_error();
    return key_file.Unfit(
        absl::StrCat("is not the key of the first certificate in ", cert.path, " (", SubjectOf(leaf), ")"));
  }
  if (X509_check_purpose(leaf, X509_PURPOSE_SSL_SERVER, 0) != 1) {
    return cert.Unfit("its first certificate is not one for servers (extended key usage serverAuth)");
  }
  return TryContext(cert, leaf, key);
}

absl::Status CheckAuthorities(const PemFile& file, const std::string& pem, absl::Time now) {
  auto certificates = ParseCertificates(file, pem);
  if (!certificates.ok()) return certificates.status();
  absl::Status dates;
  size_t expired = 0;
  for (const Certificate& certificate : *certificates) {
    if (X509_check_ca(certificate.get()) == 0) {
      return file.Unfit(absl::StrCat(SubjectOf(certificate.get()), " is not the certificate of an authority (CA)"));
    }
    const absl::Status dated = CheckDates(file, certificate.get(), now);
    if (!dated.ok()) ++expired;
    dates.Update(dated);
  }
  return expired == certificates->size() ? dates : absl::OkStatus();
}

}  // namespace

absl::Status CheckTlsFlags(const TlsFiles& files) {
  const auto needs = [](absl::string_view flag, absl::string_view other) {
    return absl::InvalidArgumentError(absl::StrCat(flag, " needs ", other));
  };
  if (files.enabled() && files.key.empty()) return needs("--tls-cert", "--tls-key");
  if (!files.enabled() && !files.key.empty()) return needs("--tls-key", "--tls-cert");
  if (!files.enabled() && !files.client_ca.empty()) return needs("--tls-client-ca", "--tls-cert and --tls-key");
  return absl::OkStatus();
}

absl::StatusOr<TlsMaterial> ReadTls(const TlsFiles& files, absl::Time now) {
  const PemFile cert{"--tls-cert", files.cert};
  const PemFile key_file{"--tls-key", files.key};
  TlsMaterial material;
  auto chain = cert.Read();
  if (!chain.ok()) return chain.status();
  auto certificates = ParseCertificates(cert, *chain);
  if (!certificates.ok()) return certificates.status();
  auto secret = key_file.Read();
  if (!secret.ok()) return secret.status();
  if (absl::Status status = CheckSecret(key_file); !status.ok()) return status;
  auto key = ParseKey(key_file, *secret);
  if (!key.ok()) return key.status();
  X509* const leaf = certificates->front().get();
  if (absl::Status status = CheckServerCertificate(cert, key_file, leaf, key->get()); !status.ok()) return status;
  material.expiry = absl::InfiniteFuture();
  for (const Certificate& certificate : *certificates) {
    if (absl::Status status = CheckDates(cert, certificate.get(), now); !status.ok()) return status;
    material.expiry = std::min(material.expiry, ToTime(X509_get0_notAfter(certificate.get())));
  }
  if (!files.client_ca.empty()) {
    const PemFile authorities{"--tls-client-ca", files.client_ca};
    auto pem = authorities.Read();
    if (!pem.ok()) return pem.status();
    if (absl::Status status = CheckAuthorities(authorities, *pem, now); !status.ok()) return status;
    material.client_cas = *std::move(pem);
  }
  material.chain = *std::move(chain);
  material.key = *std::move(secret);
  material.subject = SubjectOf(leaf);
  material.names = NamesOf(leaf);
  return material;
}

std::optional<int> DaysLeft(absl::Time expiry, absl::Time now) {
  for (const int days : {0, 1, 7, 30}) {
    if (expiry - now <= absl::Hours(24) * days) return days;
  }
  return std::nullopt;
}

}  // namespace traind::server
