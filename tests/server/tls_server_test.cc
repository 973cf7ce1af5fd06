// A whole server with TLS, called over the network: unary, streams in both directions, and health.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/tls/dev_certificates.h"
#include "tests/server/services/services_fixture.h"
#include "tests/support/health_call.h"
#include "traind/v1/server_service.grpc.pb.h"

namespace traind::server {
namespace {

using ::testing::HasSubstr;

class TlsServerTest : public ServicesTest {
 protected:
  std::string Certificates(const std::string& name, absl::Time begin = absl::Now() - absl::Hours(1)) {
    const std::string folder = folder_ / name;
    EXPECT_TRUE(MakeDevCertificates({.folder = folder, .begin = begin, .lifetime = absl::Hours(24)}).ok());
    return folder;
  }
  absl::Status StartWith(const TlsFiles& files) {
    server_.reset();
    Config config;
    config.listen = "127.0.0.1:0";
    config.data_dir = folder_ / "data";
    config.dataset_roots = {root_};
    config.threads = 2;
    config.memory_limit = memory_limit_;
    config.tls = files;
    auto server = Server::Start(config, &launcher_);
    if (server.ok()) server_ = *std::move(server);
    return server.status();
  }
  // The stubs talk over a new connection from here on.
  void Connect(const std::shared_ptr<grpc::ChannelCredentials>& credentials) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    const auto channel = grpc::CreateCustomChannel(absl::StrCat("localhost:", server_->port()), credentials, arguments);
    training_ = v1::TrainingService::NewStub(channel);
    datasets_ = v1::DatasetService::NewStub(channel);
    models_ = v1::ModelService::NewStub(channel);
    operations_ = v1::OperationService::NewStub(channel);
  }
  // What each kind of call ends with.
  std::vector<grpc::StatusCode> CallAll(const std::shared_ptr<grpc::ChannelCredentials>& credentials) {
    Connect(credentials);
    std::vector<grpc::StatusCode> codes;
    {
      grpc::ClientContext context;
      v1::ListJobsResponse jobs;
      codes.push_back(training_->ListJobs(&context, {}, &jobs).error_code());
    }
    std::vector<v1::Event> events;
    v1::WatchJobRequest watch;
    watch.set_name("jobs/none");
    codes.push_back(Watch(watch, &events).error_code());
    v1::Model model;
    codes.push_back(UploadModel("m", "no weights", &model).error_code());
    codes.push_back(CallHealth(absl::StrCat("localhost:", server_->port()), credentials).status.error_code());
    return codes;
  }
  // What GetServerInfo says, in seconds since 1970; 0: nothing.
  double CertificateExpiry(const std::shared_ptr<grpc::ChannelCredentials>& credentials) {
    const auto channel = grpc::CreateChannel(absl::StrCat("localhost:", server_->port()), credentials);
    grpc::ClientContext context;
    v1::ServerInfo info;
    EXPECT_TRUE(v1::ServerService::NewStub(channel)->GetServerInfo(&context, {}, &info).ok());
    return static_cast<double>(info.certificate_expire_time().seconds());
  }
  static std::shared_ptr<grpc::ChannelCredentials> Trusting(const std::string& certs, const std::string& own = "") {
    grpc::SslCredentialsOptions options;
    options.pem_root_certs = ReadBytes(certs + "/ca.pem");
    if (!own.empty()) {
      options.pem_private_key = ReadBytes(own + "/client-key.pem");
      options.pem_cert_chain = ReadBytes(own + "/client.pem");
    }
    return grpc::SslCredentials(options);
  }
};

// OK; there is no such job; the bytes are no model; SERVING.
const std::vector<grpc::StatusCode> kServed = {grpc::OK, grpc::NOT_FOUND, grpc::INVALID_ARGUMENT, grpc::OK};
const std::vector<grpc::StatusCode> kNotReached(4, grpc::UNAVAILABLE);

TEST_F(TlsServerTest, ServesWhoTrustsItsCertificate) {
  const std::string certs = Certificates("certs");
  ASSERT_TRUE(StartWith({.cert = certs + "/server.pem", .key = certs + "/server-key.pem"}).ok());
  EXPECT_EQ(CallAll(Trusting(certs)), kServed);
  EXPECT_EQ(CallAll(Trusting(Certificates("others"))), kNotReached) << "a client that trusts another authority";
  EXPECT_EQ(CallAll(grpc::InsecureChannelCredentials()), kNotReached) << "a client without TLS";
  const double expiry = CertificateExpiry(Trusting(certs));
  EXPECT_GT(expiry, absl::ToUnixSeconds(absl::Now() + absl::Hours(22)));
  EXPECT_LT(expiry, absl::ToUnixSeconds(absl::Now() + absl::Hours(24)));
}

TEST_F(TlsServerTest, WithAClientAuthorityNobodyElseIsLetIn) {
  const std::string certs = Certificates("certs");
  const TlsFiles files{.cert = certs + "/server.pem", .key = certs + "/server-key.pem", .client_ca = certs + "/ca.pem"};
  ASSERT_TRUE(StartWith(files).ok());
  EXPECT_EQ(CallAll(Trusting(certs, certs)), kServed);
  EXPECT_EQ(CallAll(Trusting(certs)), kNotReached) << "no certificate";
  EXPECT_EQ(CallAll(Trusting(certs, Certificates("others"))), kNotReached) << "of another authority";
  EXPECT_EQ(CallAll(Trusting(certs, Certificates("old", absl::Now() - absl::Hours(48)))), kNotReached) << "expired";
}

TEST_F(TlsServerTest, DoesNotStartWithFilesThatAreNotSound) {
  const std::string old = Certificates("old", absl::Now() - absl::Hours(48));
  const absl::Status status = StartWith({.cert = old + "/server.pem", .key = old + "/server-key.pem"});
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("expired"));
  EXPECT_TRUE(StartWith({}).ok()) << "nothing of the data folder is held";
  EXPECT_EQ(CertificateExpiry(grpc::InsecureChannelCredentials()), 0);
}

}  // namespace
}  // namespace traind::server
