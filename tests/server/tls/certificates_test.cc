#include "server/tls/certificates.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <sys/stat.h>

#include <filesystem>
#include <string>

#include "absl/time/clock.h"
#include "server/tls/dev_certificates.h"
#include "tests/support/bytes.h"
#include "tests/support/certificates.h"
#include "tests/support/temporary_folder.h"

namespace traind::server {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class CertificatesTest : public ::testing::Test {
 protected:
  CertificatesTest() { Make("certs", absl::Now() - absl::Hours(1)); }

  std::string Make(const std::string& name, absl::Time begin, absl::Duration lifetime = absl::Hours(48)) {
    const std::string folder = folder_ / name;
    EXPECT_TRUE(
        MakeDevCertificates({.folder = folder, .names = {"train.example.org"}, .begin = begin, .lifetime = lifetime})
            .ok());
    return folder;
  }
  std::string Secret(const std::string& name, const std::string& text) {
    WriteBytes(folder_ / name, text);
    chmod((folder_ / name).c_str(), 0600);
    return folder_ / name;
  }
  absl::Status Read(absl::Time now = absl::Now()) const { return ReadTls(files_, now).status(); }

  const TemporaryFolder folder_;
  TlsFiles files_{.cert = folder_ / "certs/server.pem", .key = folder_ / "certs/server-key.pem"};
};

TEST_F(CertificatesTest, ReadsWhatDevCertMakes) {
  const auto material = ReadTls(files_, absl::Now());
  ASSERT_TRUE(material.ok()) << material.status();
  EXPECT_EQ(material->chain, ReadBytes(files_.cert));
  EXPECT_EQ(material->key, ReadBytes(files_.key));
  EXPECT_EQ(material->client_cas, "");
  EXPECT_THAT(material->subject, HasSubstr("CN=localhost"));
  EXPECT_THAT(material->names, ElementsAre("localhost", "127.0.0.1", "::1", "train.example.org"));
  EXPECT_GT(material->expiry, absl::Now() + absl::Hours(46));
  EXPECT_LT(material->expiry, absl::Now() + absl::Hours(48));
  files_.client_ca = folder_ / "certs/ca.pem";
  EXPECT_EQ(ReadTls(files_, absl::Now())->client_cas, ReadBytes(files_.client_ca));
}

TEST_F(CertificatesTest, NamesTheFlagAndTheFileThatIsMissing) {
  files_.cert = folder_ / "none";
  EXPECT_THAT(std::string(Read().message()), AllOf(HasSubstr("--tls-cert"), HasSubstr(files_.cert)));
  files_ = {.cert = folder_ / "certs/server.pem", .key = folder_ / "none"};
  EXPECT_THAT(std::string(Read().message()), AllOf(HasSubstr("--tls-key"), HasSubstr(files_.key)));
  files_ = {
      .cert = folder_ / "certs/server.pem", .key = folder_ / "certs/server-key.pem", .client_ca = folder_ / "none"};
  EXPECT_THAT(std::string(Read().message()), AllOf(HasSubstr("--tls-client-ca"), HasSubstr(files_.client_ca)));
}

TEST_F(CertificatesTest, RefusesWhatIsNoCertificate) {
  for (const std::string& text : {std::string(), std::string("hello"), ReadBytes(files_.key)}) {
    files_.cert = Secret("cert", text);
    EXPECT_THAT(std::string(Read().message()), HasSubstr("--tls-cert " + files_.cert + ": holds no certificate"));
  }
  std::string damaged = ReadBytes(folder_ / "certs/server.pem");
  damaged[damaged.size() / 2] = '!';
  files_.cert = Secret("cert", damaged);
  EXPECT_THAT(std::string(Read().message()), HasSubstr("certificate 1 is damaged"));
  files_.cert = Secret("cert", ReadBytes(folder_ / "certs/server.pem") + damaged);
  EXPECT_THAT(std::string(Read().message()), HasSubstr("certificate 2 is damaged"));
}

TEST_F(CertificatesTest, RefusesAKeyThatIsNoneOrAnothers) {
  files_.key = Secret("key", "hello");
  EXPECT_THAT(std::string(Read().message()), HasSubstr("--tls-key " + files_.key + ": holds no private key"));
  files_.key = folder_ / "certs/client-key.pem";
  EXPECT_TRUE(absl::IsFailedPrecondition(Read()));
  EXPECT_THAT(std::string(Read().message()), HasSubstr("is not the key of the first certificate in " + files_.cert));
}

TEST_F(CertificatesTest, AnEncryptedKeyIsExplained) {
  const std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> key(EVP_EC_gen("P-256"), EVP_PKEY_free);
  files_.key = Secret("key", PemOf([&](BIO* bio) {
                        PEM_write_bio_PrivateKey(bio, key.get(), EVP_aes_256_cbc(), nullptr, 0, nullptr,
                                                 const_cast<char*>("secret"));
                      }));
  EXPECT_THAT(std::string(Read().message()), HasSubstr("is encrypted"));
}

TEST_F(CertificatesTest, RefusesAKeyThatOthersCanRead) {
  chmod(files_.key.c_str(), 0640);
  EXPECT_TRUE(Read().ok()) << "a group may: " << Read();
  chmod(files_.key.c_str(), 0644);
  EXPECT_THAT(std::string(Read().message()), AllOf(HasSubstr("--tls-key"), HasSubstr("chmod o=")));
}

TEST_F(CertificatesTest, RefusesCertificatesOutOfTheirTime) {
  EXPECT_THAT(std::string(Read(absl::Now() + absl::Hours(48)).message()), HasSubstr("expired at"));
  EXPECT_THAT(std::string(Read(absl::Now() - absl::Hours(2)).message()), HasSubstr("is not valid before"));
}

TEST_F(CertificatesTest, RefusesACertificateOfClients) {
  files_ = {.cert = folder_ / "certs/client.pem", .key = folder_ / "certs/client-key.pem"};
  EXPECT_THAT(std::string(Read().message()), HasSubstr("is not one for servers"));
}

TEST_F(CertificatesTest, AuthoritiesMustBeSomeAndBeValid) {
  files_.client_ca = folder_ / "certs/client.pem";
  EXPECT_THAT(std::string(Read().message()), AllOf(HasSubstr("--tls-client-ca"), HasSubstr("CN=dev"),
                                                   HasSubstr("is not the certificate of an authority")));
  const std::string old = Make("old", absl::Now() - absl::Hours(100)) + "/ca.pem";
  files_.client_ca = old;
  EXPECT_THAT(std::string(Read().message()), AllOf(HasSubstr("--tls-client-ca"), HasSubstr("expired at")));
  files_.client_ca = Secret("both", ReadBytes(old) + ReadBytes(folder_ / "certs/ca.pem"));
  EXPECT_TRUE(Read().ok()) << "one that is valid is enough: " << Read();
}

TEST_F(CertificatesTest, WeakKeysAreRefusedAsOpensslWould) {
  const std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> key(EVP_RSA_gen(512), EVP_PKEY_free);
  const std::unique_ptr<X509, void (*)(X509*)> weak(X509_new(), X509_free);
  X509_gmtime_adj(X509_getm_notBefore(weak.get()), -60);
  X509_gmtime_adj(X509_getm_notAfter(weak.get()), 3600);
  X509_set_pubkey(weak.get(), key.get());
  ASSERT_NE(X509_sign(weak.get(), key.get(), EVP_sha256()), 0);
  files_.cert = Secret("cert", PemOf([&](BIO* bio) { PEM_write_bio_X509(bio, weak.get()); }));
  files_.key = Secret(
      "key", PemOf([&](BIO* bio) { PEM_write_bio_PrivateKey(bio, key.get(), nullptr, nullptr, 0, nullptr, nullptr); }));
  EXPECT_THAT(std::string(Read().message()), HasSubstr("OpenSSL does not take it: ee key too small"));
}

TEST(TlsFlags, NeedEachOther) {
  EXPECT_TRUE(CheckTlsFlags({}).ok());
  EXPECT_TRUE(CheckTlsFlags({.cert = "c", .key = "k", .client_ca = "a"}).ok());
  EXPECT_EQ(CheckTlsFlags({.cert = "c", .key = ""}).message(), "--tls-cert needs --tls-key");
  EXPECT_EQ(CheckTlsFlags({.key = "k"}).message(), "--tls-key needs --tls-cert");
  EXPECT_EQ(CheckTlsFlags({.client_ca = "a"}).message(), "--tls-client-ca needs --tls-cert and --tls-key");
}

TEST(TlsExpiry, IsToldInSteps) {
  const absl::Time now = absl::UnixEpoch();
  const auto left = [&](double days) { return DaysLeft(now + days * absl::Hours(24), now); };
  EXPECT_EQ(left(31), std::nullopt);
  EXPECT_EQ(left(30), 30);
  EXPECT_EQ(left(7.1), 30);
  EXPECT_EQ(left(7), 7);
  EXPECT_EQ(left(1), 1);
  EXPECT_EQ(left(0.1), 1);
  EXPECT_EQ(left(0), 0);
  EXPECT_EQ(left(-5), 0);
}

}  // namespace
}  // namespace traind::server
