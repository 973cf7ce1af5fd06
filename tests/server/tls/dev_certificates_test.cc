#include "server/tls/dev_certificates.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <memory>
#include <string>

#include "absl/time/clock.h"
#include "server/tls/openssl.h"
#include "tests/support/bytes.h"
#include "tests/support/temporary_folder.h"

namespace traind::server {
namespace {

using ::testing::HasSubstr;

Certificate Load(const std::string& path) {
  const std::string pem = ReadBytes(path);
  return Certificate(PEM_read_bio_X509(Bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()))).get(), nullptr,
                                       nullptr, nullptr));
}

class DevCertificatesTest : public ::testing::Test {
 protected:
  absl::Status Make(std::vector<std::string> names = {}, const std::string& client = "ada") {
    return MakeDevCertificates(
        {.folder = certs_, .names = std::move(names), .client = client, .begin = absl::Now() - absl::Hours(1)});
  }
  // As a peer checks it, with OpenSSL's own verification.
  int Verify(const std::string& file, int purpose, const std::string& host) {
    const Certificate authority = Load(certs_ + "/ca.pem");
    const Certificate certificate = Load(certs_ + "/" + file);
    const std::unique_ptr<X509_STORE, void (*)(X509_STORE*)> store(X509_STORE_new(), X509_STORE_free);
    X509_STORE_add_cert(store.get(), authority.get());
    const std::unique_ptr<X509_STORE_CTX, void (*)(X509_STORE_CTX*)> context(X509_STORE_CTX_new(), X509_STORE_CTX_free);
    X509_STORE_CTX_init(context.get(), store.get(), certificate.get(), nullptr);
    X509_STORE_CTX_set_purpose(context.get(), purpose);
    X509_VERIFY_PARAM* const wanted = X509_STORE_CTX_get0_param(context.get());
    if (!host.empty() && X509_VERIFY_PARAM_set1_ip_asc(wanted, host.c_str()) != 1) {
      X509_VERIFY_PARAM_set1_host(wanted, host.c_str(), host.size());
    }
    X509_STORE_CTX_set_flags(context.get(), X509_V_FLAG_X509_STRICT);
    X509_verify_cert(context.get());
    return X509_STORE_CTX_get_error(context.get());
  }
  mode_t Mode(const std::string& file) {
    struct stat info = {};
    EXPECT_EQ(stat((certs_ + file).c_str(), &info), 0) << file;
    return info.st_mode & 0777;
  }

  const TemporaryFolder folder_;
  const std::string certs_ = folder_ / "certs";
};

TEST_F(DevCertificatesTest, AreWhatPeersTake) {
  ASSERT_TRUE(Make({"train.example.org", "10.0.0.7", "fd00::7"}).ok());
  for (const char* host : {"localhost", "127.0.0.1", "::1", "train.example.org", "10.0.0.7", "fd00::7"}) {
    EXPECT_EQ(Verify("server.pem", X509_PURPOSE_SSL_SERVER, host), X509_V_OK) << host;
  }
  EXPECT_EQ(Verify("server.pem", X509_PURPOSE_SSL_SERVER, "evil.example.org"), X509_V_ERR_HOSTNAME_MISMATCH);
  EXPECT_EQ(Verify("server.pem", X509_PURPOSE_SSL_SERVER, "10.0.0.8"), X509_V_ERR_IP_ADDRESS_MISMATCH);
  EXPECT_EQ(Verify("server.pem", X509_PURPOSE_SSL_CLIENT, ""), X509_V_ERR_INVALID_PURPOSE);
  EXPECT_EQ(Verify("client.pem", X509_PURPOSE_SSL_CLIENT, ""), X509_V_OK);
  EXPECT_EQ(Verify("client.pem", X509_PURPOSE_SSL_SERVER, ""), X509_V_ERR_INVALID_PURPOSE);
}

TEST_F(DevCertificatesTest, KeysAreForTheirOwnerOnly) {
  ASSERT_TRUE(Make().ok());
  EXPECT_EQ(Mode(""), 0700u);
  EXPECT_EQ(Mode("/server-key.pem"), 0600u);
  EXPECT_EQ(Mode("/client-key.pem"), 0600u);
  EXPECT_THAT(ReadBytes(certs_ + "/server-key.pem"), HasSubstr("BEGIN PRIVATE KEY"));
  size_t files = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(certs_)) ++files;
  EXPECT_EQ(files, 5u) << "the authority's key is not kept";
}

TEST_F(DevCertificatesTest, AreNeverWrittenOverOthers) {
  ASSERT_TRUE(Make().ok());
  const std::string before = ReadBytes(certs_ + "/server.pem");
  const absl::Status again = Make();
  EXPECT_TRUE(absl::IsAlreadyExists(again)) << again;
  EXPECT_EQ(ReadBytes(certs_ + "/server.pem"), before);
}

TEST_F(DevCertificatesTest, NamesAreNamesOnly) {
  for (const char* name : {"", "a,DNS:evil.example.org", "a b", "email:a@b", "*.example.org\n", "1.2.3.4/8"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(Make({name}))) << name;
    EXPECT_TRUE(absl::IsInvalidArgument(Make({}, name))) << name;
  }
  EXPECT_FALSE(std::filesystem::exists(certs_));
}

}  // namespace
}  // namespace traind::server
