#include "client/credentials.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <string>

#include "client/client.h"
#include "tests/client/fake_server.h"
#include "tests/support/bytes.h"
#include "tests/support/certificates.h"
#include "tests/support/temporary_folder.h"

namespace traind::client {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class CredentialsTest : public ::testing::Test {
 protected:
  std::string Write(const std::string& name, const std::string& text, mode_t mode = 0600) {
    WriteBytes(folder_ / name, text);
    chmod((folder_ / name).c_str(), mode);
    return folder_ / name;
  }
  static std::string ErrorOf(const CredentialFiles& files) {
    return std::string(ReadCredentials(files).status().message());
  }

  static Client ClientOf(const std::string& server, const Credentials& credentials) {
    ClientOptions options;
    options.server = server;
    options.credentials = credentials;
    options.call_retry.max_attempts = 1;
    return Client(options);
  }

  const TemporaryFolder folder_;
};

TEST_F(CredentialsTest, ReadsWhatTheFilesHold) {
  const TestCertificate own = SelfSigned("ada");
  const auto read = ReadCredentials({.tls = false,
                                     .tls_ca = Write("ca", SelfSigned("authority").cert, 0644),
                                     .tls_cert = Write("cert", own.cert, 0644),
                                     .tls_key = Write("key", own.key),
                                     .token_file = Write("token", "  traind_abc\n")});
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_TRUE(read->tls);
  EXPECT_EQ(read->cert, own.cert);
  EXPECT_EQ(read->key, own.key);
  EXPECT_EQ(read->token, "traind_abc");
  EXPECT_FALSE(ReadCredentials({})->tls);
  EXPECT_TRUE(ReadCredentials({.tls = true})->tls);
}

TEST_F(CredentialsTest, NameTheOptionAndTheFile) {
  const TestCertificate own = SelfSigned("ada"), other = SelfSigned("eve"), old = SelfSigned("old", -1);
  const std::string cert = Write("cert", own.cert), key = Write("key", own.key);
  EXPECT_THAT(ErrorOf({.tls_ca = folder_ / "none"}), AllOf(HasSubstr("tls-ca"), HasSubstr(folder_ / "none")));
  EXPECT_THAT(ErrorOf({.tls_ca = key}), HasSubstr("tls-ca " + key + ": holds no certificate"));
  EXPECT_EQ(ErrorOf({.tls_cert = cert}), "tls-cert needs tls-key");
  EXPECT_EQ(ErrorOf({.tls_key = key}), "tls-key needs tls-cert");
  EXPECT_THAT(ErrorOf({.tls_cert = key, .tls_key = key}), HasSubstr("holds no certificate"));
  EXPECT_THAT(ErrorOf({.tls_cert = cert, .tls_key = cert}), HasSubstr("holds no private key"));
  EXPECT_THAT(ErrorOf({.tls_cert = cert, .tls_key = Write("other", other.key)}), HasSubstr("is not the key of"));
  EXPECT_THAT(ErrorOf({.tls_cert = Write("old", old.cert), .tls_key = Write("oldkey", old.key)}),
              HasSubstr("has expired"));
}

TEST_F(CredentialsTest, SecretsThatOthersCanReadAreRefused) {
  const TestCertificate own = SelfSigned("ada");
  const std::string cert = Write("cert", own.cert);
  EXPECT_THAT(ErrorOf({.tls_cert = cert, .tls_key = Write("key", own.key, 0644)}), HasSubstr("chmod o="));
  EXPECT_THAT(ErrorOf({.token_file = Write("token", "t", 0604)}), HasSubstr("chmod o="));
  EXPECT_EQ(ErrorOf({.token_file = Write("group", "t", 0640)}), "");
}

TEST_F(CredentialsTest, ATokenIsOneWord) {
  EXPECT_THAT(ErrorOf({.token_file = Write("empty", " \n")}), HasSubstr("is empty"));
  for (const char* text : {"two words", "a\r\nx-header: b", "\x01", "\xff"}) {
    EXPECT_THAT(ErrorOf({.token_file = Write("bad", text)}), HasSubstr("something other than one token")) << text;
  }
  EXPECT_THAT(ErrorOf({.token_file = Write("long", std::string(5000, 'a'))}), HasSubstr("has more than"));
}

TEST_F(CredentialsTest, ATokenTravelsInTheOpenOnThisMachineOnly) {
  const Credentials token{.token = "t"};
  for (const char* server : {"127.0.0.1:1", "localhost:1", "[::1]:1", "unix:/x"}) {
    EXPECT_TRUE(CheckCredentials(server, token).ok()) << server;
  }
  for (const char* server : {"10.0.0.1:1", "train.example.org:1", "0.0.0.0:1"}) {
    EXPECT_TRUE(absl::IsFailedPrecondition(CheckCredentials(server, token))) << server;
    EXPECT_TRUE(CheckCredentials(server, {.tls = true, .token = "t"}).ok()) << server;
    EXPECT_TRUE(CheckCredentials(server, {}).ok()) << server;
  }
  Client client = ClientOf("10.0.0.1:1", token);
  EXPECT_TRUE(absl::IsFailedPrecondition(client.ListJobs().status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(client.UploadFile(Write("file", "x")).status()));
  v1::WatchJobRequest request;
  request.set_name("jobs/a");
  const auto watch = client.WatchJob(request);
  EXPECT_TRUE(absl::IsFailedPrecondition(watch->Next().status()));
}

TEST_F(CredentialsTest, ATagStandsForTheCaller) {
  EXPECT_EQ(CallerTag({}), "");
  EXPECT_EQ(CallerTag({.tls = true, .ca = "a"}), "");
  EXPECT_EQ(CallerTag({.token = "abc"}), "ba7816bf") << "of SHA-256";
  EXPECT_NE(CallerTag({.token = "a"}), CallerTag({.token = "b"}));
  EXPECT_NE(CallerTag({.cert = "a"}), "");
}

grpc::Status NoteAuthorization(const grpc::ServerContext& context, std::vector<std::string>& seen) {
  const auto found = context.client_metadata().find("authorization");
  seen.push_back(found == context.client_metadata().end() ? ""
                                                          : std::string(found->second.data(), found->second.size()));
  return {grpc::StatusCode::NOT_FOUND, "enough"};
}

// What a call's header says of its caller.
class Authorization : public v1::TrainingService::Service {
 public:
  grpc::Status ListJobs(grpc::ServerContext* context, const v1::ListJobsRequest*, v1::ListJobsResponse*) override {
    return NoteAuthorization(*context, seen);
  }
  grpc::Status WatchJob(grpc::ServerContext* context, const v1::WatchJobRequest*,
                        grpc::ServerWriter<v1::WatchJobResponse>*) override {
    return NoteAuthorization(*context, seen);
  }
  std::vector<std::string> seen;
};

class UploadAuthorization : public v1::ModelService::Service {
 public:
  explicit UploadAuthorization(std::vector<std::string>& of_all) : seen(of_all) {}
  grpc::Status UploadModel(grpc::ServerContext* context, grpc::ServerReader<v1::UploadModelRequest>*,
                           v1::Model*) override {
    return NoteAuthorization(*context, seen);
  }
  std::vector<std::string>& seen;
};

TEST_F(CredentialsTest, EveryKindOfCallCarriesTheToken) {
  Authorization service;
  UploadAuthorization uploads(service.seen);
  const TestCertificate own = SelfSigned("server");
  grpc::SslServerCredentialsOptions options;
  options.pem_key_cert_pairs.push_back({.private_key = own.key, .cert_chain = own.cert});
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::SslServerCredentials(options), &port);
  builder.RegisterService(&service);
  builder.RegisterService(&uploads);
  const auto server = builder.BuildAndStart();
  const auto call = [&](const Credentials& credentials) {
    service.seen.clear();
    Client client = ClientOf("localhost:" + std::to_string(port), credentials);
    client.ListJobs().IgnoreError();
    v1::WatchJobRequest request;
    request.set_name("jobs/a");
    request.set_uid("u");
    client.WatchJob(request)->Next().IgnoreError();
    client.UploadModel({}, Write("weights", "x")).IgnoreError();
    return service.seen;
  };
  EXPECT_THAT(call({.tls = true, .ca = own.cert, .token = "t"}), ElementsAre("Bearer t", "Bearer t", "Bearer t"));
  EXPECT_THAT(call({.tls = true, .ca = own.cert}), ElementsAre("", "", ""));
}

TEST_F(CredentialsTest, AServerThatIsNotTrustedGetsNothing) {
  Authorization service;
  const TestCertificate own = SelfSigned("server");
  grpc::SslServerCredentialsOptions options;
  options.pem_key_cert_pairs.push_back({.private_key = own.key, .cert_chain = own.cert});
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::SslServerCredentials(options), &port);
  builder.RegisterService(&service);
  const auto server = builder.BuildAndStart();
  Client client =
      ClientOf("localhost:" + std::to_string(port), {.tls = true, .ca = SelfSigned("another").cert, .token = "t"});
  EXPECT_TRUE(absl::IsUnavailable(client.ListJobs().status()));
  EXPECT_THAT(service.seen, IsEmpty());
}

}  // namespace
}  // namespace traind::client
