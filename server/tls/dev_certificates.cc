#include "server/tls/dev_certificates.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "server/tls/openssl.h"

namespace traind::server {
namespace {

constexpr mode_t kSecretMode = 0600;
constexpr mode_t kPublicMode = 0644;
constexpr mode_t kFolderMode = 0700;
constexpr size_t kLongestName = 253;  // Of DNS.
constexpr int kSerialBits = 159;      // Positive, in the 20 bytes that RFC 5280 allows.

struct Made {
  Certificate certificate;
  PrivateKey key;
};

struct Extension {
  int nid;
  std::string value;  // In the language of openssl.cnf.
};

bool IsAddress(const std::string& name) {
  in6_addr buffer = {};
  return inet_pton(AF_INET, name.c_str(), &buffer) == 1 || inet_pton(AF_INET6, name.c_str(), &buffer) == 1;
}

// Letters that mean nothing to OpenSSL's language.
bool IsDnsName(const std::string& name) {
  const auto plain = [](char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '.'; };
  return !name.empty() && name.size() <= kLongestName && std::all_of(name.begin(), name.end(), plain);
}

absl::Status Failed(absl::string_view what) {
  return absl::InternalError(absl::StrCat("OpenSSL cannot ", what, ": ", TakeOpensslError()));
}

bool SetSerial(X509* certificate) {
  const std::unique_ptr<BIGNUM, OpensslFree<BN_free>> number(BN_new());
  return BN_rand(number.get(), kSerialBits, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1 &&
         BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr;
}

bool SetSubject(X509* certificate, const std::string& common_name) {
  X509_NAME* name = X509_get_subject_name(certificate);
  const auto add = [name](const char* field, const std::string& value) {
    return X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(value.c_str()),
                                      -1, -1, 0) == 1;
  };
  return add("O", "traind development") && add("CN", common_name);
}

bool AddExtensions(X509* certificate, X509* issuer, const std::vector<Extension>& extensions) {
  for (const Extension& extension : extensions) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
    const std::unique_ptr<X509_EXTENSION, OpensslFree<X509_EXTENSION_free>> made(
        X509V3_EXT_conf_nid(nullptr, &context, extension.nid, extension.value.c_str()));
    if (made == nullptr || X509_add_ext(certificate, made.get(), -1) != 1) return false;
  }
  return true;
}

// Signed by `issuer`; null: by itself.
absl::StatusOr<Made> Make(const DevCertificates& wanted, const std::string& common_name, const Made* issuer,
                          const std::vector<Extension>& extensions) {
  Made made{.certificate = Certificate(X509_new()), .key = PrivateKey(EVP_EC_gen("P-256"))};
  X509* const certificate = made.certificate.get();
  if (made.key == nullptr || certificate == nullptr) return Failed("make a key");
  const bool filled = X509_set_version(certificate, X509_VERSION_3) == 1 && SetSerial(certificate) &&
                      SetSubject(certificate, common_name) && X509_set_pubkey(certificate, made.key.get()) == 1;
  if (!filled) return Failed("make a certificate");
  ASN1_TIME_set(X509_getm_notBefore(certificate), absl::ToTimeT(wanted.begin));
  ASN1_TIME_set(X509_getm_notAfter(certificate), absl::ToTimeT(wanted.begin + wanted.lifetime));
  X509* const signer = issuer == nullptr ? certificate : issuer->certificate.get();
  EVP_PKEY* const key = issuer == nullptr ? made.key.get() : issuer->key.get();
  const bool is_signed = X509_set_issuer_name(certificate, X509_get_subject_name(signer)) == 1 &&
                         AddExtensions(certificate, signer, extensions) &&
                         X509_sign(certificate, key, EVP_sha256()) != 0;
  if (!is_signed) return Failed("sign a certificate");
  return made;
}

std::string ToPem(X509* certificate) {
  const Bio bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(bio.get(), certificate);
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return {text, static_cast<size_t>(size)};
}

std::string ToPem(EVP_PKEY* key) {
  const Bio bio(BIO_new(BIO_s_secmem()));
  PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return {text, static_cast<size_t>(size)};
}

// Never over another file.
absl::Status WriteNew(const std::string& path, const std::string& text, mode_t mode) {
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  if (file < 0) return core::ErrnoStatus(errno, "create", path);
  const ssize_t written = write(file, text.data(), text.size());
  const int error = written < 0 ? errno : 0;
  close(file);
  if (written == static_cast<ssize_t>(text.size())) return absl::OkStatus();
  return core::ErrnoStatus(error == 0 ? ENOSPC : error, "write", path);
}

absl::StatusOr<std::string> AlternativeNames(const std::vector<std::string>& names) {
  std::string text = "DNS:localhost,IP:127.0.0.1,IP:::1";
  for (const std::string& name : names) {
    if (IsAddress(name)) {
      absl::StrAppend(&text, ",IP:", name);
    } else if (IsDnsName(name)) {
      absl::StrAppend(&text, ",DNS:", name);
    } else {
      return absl::InvalidArgumentError(absl::StrCat("\"", name, "\" is neither a DNS name nor an IP address"));
    }
  }
  return text;
}

absl::Status WritePair(const DevCertificates& wanted, const std::string& stem, const Made& made) {
  absl::Status status =
      WriteNew(absl::StrCat(wanted.folder, "/", stem, "-key.pem"), ToPem(made.key.get()), kSecretMode);
  if (!status.ok()) return status;
  return WriteNew(absl::StrCat(wanted.folder, "/", stem, ".pem"), ToPem(made.certificate.get()), kPublicMode);
}

// What every certificate that is no authority's has.
std::vector<Extension> LeafExtensions(const char* purpose) {
  return {{NID_basic_constraints, "critical,CA:FALSE"},
          {NID_key_usage, "critical,digitalSignature"},
          {NID_ext_key_usage, purpose},
          {NID_subject_key_identifier, "hash"},
          {NID_authority_key_identifier, "keyid:always"}};
}

}  // namespace

absl::Status MakeDevCertificates(const DevCertificates& wanted) {
  const auto names = AlternativeNames(wanted.names);
  if (!names.ok()) return names.status();
  if (!IsDnsName(wanted.client)) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", wanted.client, "\": a name has letters, digits, - and . only"));
  }
  if (mkdir(wanted.folder.c_str(), kFolderMode) != 0 && errno != EEXIST) {
    return core::ErrnoStatus(errno, "create", wanted.folder);
  }
  for (const char* file : {"ca.pem", "server.pem", "server-key.pem", "client.pem", "client-key.pem"}) {
    struct stat info = {};
    const std::string path = absl::StrCat(wanted.folder, "/", file);
    if (lstat(path.c_str(), &info) == 0) {
      return absl::AlreadyExistsError(absl::StrCat(path, " is there already; name another folder, or remove it"));
    }
  }
  const auto authority = Make(wanted, "traind development authority", nullptr,
                              {{NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
                               {NID_key_usage, "critical,keyCertSign,cRLSign"},
                               {NID_subject_key_identifier, "hash"}});
  if (!authority.ok()) return authority.status();
  std::vector<Extension> of_server = LeafExtensions("serverAuth");
  of_server.push_back({NID_subject_alt_name, *names});
  const auto server = Make(wanted, "localhost", &*authority, of_server);
  if (!server.ok()) return server.status();
  const auto client = Make(wanted, wanted.client, &*authority, LeafExtensions("clientAuth"));
  if (!client.ok()) return client.status();
  absl::Status status = WriteNew(wanted.folder + "/ca.pem", ToPem(authority->certificate.get()), kPublicMode);
  if (status.ok()) status = WritePair(wanted, "server", *server);
  if (status.ok()) status = WritePair(wanted, "client", *client);
  return status;
}

}  // namespace traind::server
