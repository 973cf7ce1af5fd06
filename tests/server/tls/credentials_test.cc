#include "server/tls/credentials.h"

#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "absl/time/clock.h"
#include "server/tls/dev_certificates.h"
#include "tests/support/bytes.h"
#include "tests/support/certificates.h"
#include "tests/support/health_call.h"
#include "tests/support/temporary_folder.h"
#include "traind/v1/operation.grpc.pb.h"

namespace traind::server {
namespace {

using ::testing::HasSubstr;

// A server that answers health checks only. It never looks at the files by itself.
class TlsCredentialsTest : public ::testing::Test {
 protected:
  void Start(bool with_clients = false) {
    Renew();
    auto credentials = TlsCredentials::Start({.cert = folder_ / "certs/server.pem",
                                              .key = folder_ / "certs/server-key.pem",
                                              .client_ca = with_clients ? folder_ / "certs/ca.pem" : ""},
                                             absl::Hours(1));
    ASSERT_TRUE(credentials.ok()) << credentials.status();
    credentials_ = *std::move(credentials);
    grpc::EnableDefaultHealthCheckService(true);
    grpc::ServerBuilder builder;
    builder.RegisterService(&service_);
    builder.AddListeningPort("127.0.0.1:0", credentials_->ForPort(), &port_);
    server_ = builder.BuildAndStart();
    ASSERT_NE(server_, nullptr);
  }
  // Other certificates in the place of those before.
  void Renew() {
    std::filesystem::remove_all(folder_ / "certs");
    ASSERT_TRUE(MakeDevCertificates({.folder = folder_ / "certs", .begin = absl::Now() - absl::Hours(1)}).ok());
  }
  std::string Read(const std::string& file) const { return ReadBytes(folder_ / ("certs/" + file)); }
  // A new connection that trusts `ca`.
  HealthAnswer Call(const std::string& ca, const std::string& key = "", const std::string& cert = "") {
    return CallHealth("localhost:" + std::to_string(port_),
                      grpc::SslCredentials({.pem_root_certs = ca, .pem_private_key = key, .pem_cert_chain = cert}));
  }

  const TemporaryFolder folder_;
  std::unique_ptr<TlsCredentials> credentials_;
  v1::OperationService::Service service_;  // A server without any polls nothing.
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
};

TEST_F(TlsCredentialsTest, ServeTheCertificateOfTheFile) {
  Start();
  const HealthAnswer answer = Call(Read("ca.pem"));
  EXPECT_TRUE(answer.status.ok()) << answer.status.error_message();
  EXPECT_EQ(answer.certificate, Read("server.pem"));
  EXPECT_EQ(credentials_->expiry(), credentials_->material()->expiry);
}

TEST_F(TlsCredentialsTest, ARenewedCertificateCountsForTheNextConnection) {
  Start();
  const std::string before = Read("ca.pem");
  Renew();
  EXPECT_TRUE(Call(before).status.ok()) << "not looked at yet";
  ASSERT_TRUE(credentials_->Reload().ok());
  const HealthAnswer answer = Call(Read("ca.pem"));
  EXPECT_TRUE(answer.status.ok()) << answer.status.error_message();
  EXPECT_EQ(answer.certificate, Read("server.pem"));
  EXPECT_FALSE(Call(before).status.ok());
}

TEST_F(TlsCredentialsTest, FilesThatAreNotSoundLeaveTheOneBefore) {
  Start();
  const std::string ca = Read("ca.pem");
  const std::string certificate = Read("server.pem");
  std::filesystem::rename(folder_ / "certs", folder_ / "before");
  EXPECT_FALSE(credentials_->Reload().ok()) << "no files";
  Renew();
  std::filesystem::copy_file(folder_ / "before/server.pem", folder_ / "certs/server.pem",
                             std::filesystem::copy_options::overwrite_existing);
  EXPECT_THAT(std::string(credentials_->Reload().message()), HasSubstr("is not the key of"));
  const HealthAnswer answer = Call(ca);
  EXPECT_TRUE(answer.status.ok()) << answer.status.error_message();
  EXPECT_EQ(answer.certificate, certificate);
}

TEST_F(TlsCredentialsTest, ClientsNeedACertificateOfTheAuthority) {
  Start(/*with_clients=*/true);
  const std::string ca = Read("ca.pem");
  EXPECT_TRUE(Call(ca, Read("client-key.pem"), Read("client.pem")).status.ok());
  EXPECT_FALSE(Call(ca).status.ok()) << "none";
  EXPECT_FALSE(Call(ca, Read("server-key.pem"), Read("server.pem")).status.ok()) << "not one for clients";
  ASSERT_TRUE(MakeDevCertificates({.folder = folder_ / "other", .begin = absl::Now() - absl::Hours(1)}).ok());
  EXPECT_FALSE(
      Call(ca, ReadBytes(folder_ / "other/client-key.pem"), ReadBytes(folder_ / "other/client.pem")).status.ok())
      << "of another authority";
}

TEST_F(TlsCredentialsTest, NobodyIsServedWithoutTls) {
  Start();
  EXPECT_FALSE(CallHealth("localhost:" + std::to_string(port_), grpc::InsecureChannelCredentials()).status.ok());
  EXPECT_FALSE(Call(SelfSigned("stranger").cert).status.ok()) << "a client that trusts others";
}

}  // namespace
}  // namespace traind::server
