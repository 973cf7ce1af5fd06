// Each kind of call passes the gate before anything else happens: over TLS, with tokens and certificates, on a server
// whose methods only count.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/rpc/stream_call.h"
#include "server/rpc/unary_call.h"
#include "server/rpc/upload_call.h"
#include "server/services/access_gate.h"
#include "server/services/auth_service.h"
#include "server/tls/credentials.h"
#include "server/tls/dev_certificates.h"
#include "tests/support/bytes.h"
#include "tests/support/temporary_folder.h"
#include "traind/v1/dataset_service.grpc.pb.h"
#include "traind/v1/training_service.grpc.pb.h"

namespace traind::server {
namespace {

using ::testing::HasSubstr;

// What has reached the handlers, and as whom.
struct Reached {
  std::atomic<int> calls{0};
  absl::Mutex mu;
  std::string user ABSL_GUARDED_BY(mu);

  void Note(const CallContext& call) {
    ++calls;
    absl::MutexLock lock(&mu);
    user = call.caller().user;
  }
};

class OneResponse final : public StreamCall<grpc::ByteBuffer> {
 public:
  OneResponse(const Entrance& entrance, grpc::CallbackServerContext& call, const grpc::ByteBuffer& request,
              Reached& reached)
      : StreamCall(entrance, call), reached_(reached) {
    grpc::ByteBuffer bytes = request;
    EXPECT_TRUE(grpc::SerializationTraits<v1::WatchJobRequest>::Deserialize(&bytes, &request_).ok());
    Resume();
  }

 protected:
  const google::protobuf::Message& request() const override { return request_; }
  absl::StatusOr<Next> Advance(grpc::ByteBuffer& written) override {
    if (written.Valid()) return Next::kEnd;
    reached_.Note(context());
    bool own = false;
    EXPECT_TRUE(
        grpc::SerializationTraits<v1::WatchJobResponse>::Serialize(v1::WatchJobResponse(), &written, &own).ok());
    return Next::kWrite;
  }

 private:
  v1::WatchJobRequest request_;
  Reached& reached_;
};

struct CountingTraining final
    : v1::TrainingService::WithRawCallbackMethod_WatchJob<v1::TrainingService::CallbackService> {
  CountingTraining(const Entrance& way, Reached& counter) : entrance(way), reached(counter) {}
  grpc::ServerUnaryReactor* CancelJob(grpc::CallbackServerContext* context, const v1::CancelJobRequest* request,
                                      v1::Job*) override {
    return AnswerOn(entrance, context, *request, [this](CallContext& call) {
      reached.Note(call);
      return absl::OkStatus();
    });
  }
  grpc::ServerWriteReactor<grpc::ByteBuffer>* WatchJob(grpc::CallbackServerContext* context,
                                                       const grpc::ByteBuffer* request) override {
    return new OneResponse(entrance, *context, *request, reached);
  }
  const Entrance entrance;
  Reached& reached;
};

class NoBytes : public UploadSink {
 public:
  absl::Status Write(absl::string_view) override { return absl::OkStatus(); }
  absl::Status Finish() override { return absl::OkStatus(); }
};

struct CountingDatasets final : v1::DatasetService::CallbackService {
  CountingDatasets(const Entrance& way, Reached& counter) : entrance(way), reached(counter) {}
  grpc::ServerReadReactor<v1::UploadDatasetRequest>* UploadDataset(grpc::CallbackServerContext* context,
                                                                   v1::Upload*) override {
    const auto begin = [this](CallContext& call,
                              const v1::UploadHeader&) -> absl::StatusOr<std::unique_ptr<UploadSink>> {
      reached.Note(call);
      return std::make_unique<NoBytes>();
    };
    return new UploadCall<v1::UploadDatasetRequest, v1::UploadHeader>(entrance, context, begin,
                                                                      [] { return absl::OkStatus(); });
  }
  const Entrance entrance;
  Reached& reached;
};

// Everything there is, is Ada's.
ResourceOwners AllOfAda() {
  return {.owner_of = [](const std::string&) -> absl::StatusOr<Ownership> {
            return Ownership{.owner = "ada", .sharing = {}};
          },
          .dataset_of = [](const std::string&) { return ""; }};
}

class GatedCallsTest : public ::testing::Test {
 protected:
  GatedCallsTest()
      : accounts_(*AccountStore::Open(folder_ / "traind.db")),
        gate_(accounts_.get(), AllOfAda()),
        entrance_(executor_, &gate_),
        training_(entrance_, reached_),
        datasets_(entrance_, reached_),
        auth_(accounts_.get(), &entrance_) {}
  ~GatedCallsTest() override {
    server_->Shutdown();
    server_->Wait();
  }
  void Serve(bool certificates) {
    certs_ = folder_ / "certs";
    ASSERT_TRUE(MakeDevCertificates({.folder = certs_, .client = "ada", .begin = absl::Now() - absl::Hours(1)}).ok());
    tls_ = *TlsCredentials::Start({.cert = certs_ + "/server.pem",
                                   .key = certs_ + "/server-key.pem",
                                   .client_ca = certificates ? certs_ + "/ca.pem" : ""});
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", tls_->ForPort(), &port_);
    builder.RegisterService(&training_);
    builder.RegisterService(&datasets_);
    builder.RegisterService(&auth_);
    server_ = builder.BuildAndStart();
    ASSERT_NE(server_, nullptr);
  }
  std::string TokenOf(const std::string& user, v1::Role role) {
    EXPECT_TRUE(accounts_->PutUser(user, role).ok());
    return accounts_->CreateToken(user, "")->secret;
  }
  // Over a connection of its own; each answers for one kind of call.
  std::vector<grpc::StatusCode> Call(const std::string& token, bool certificate = false) {
    grpc::SslCredentialsOptions options;
    options.pem_root_certs = ReadBytes(certs_ + "/ca.pem");
    if (certificate) {
      options.pem_private_key = ReadBytes(certs_ + "/client-key.pem");
      options.pem_cert_chain = ReadBytes(certs_ + "/client.pem");
    }
    auto credentials = grpc::SslCredentials(options);
    if (!token.empty()) {
      credentials = grpc::CompositeChannelCredentials(credentials, grpc::AccessTokenCredentials(token));
    }
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    channel_ = grpc::CreateCustomChannel(absl::StrCat("localhost:", port_), credentials, arguments);
    const auto training = v1::TrainingService::NewStub(channel_);
    const auto datasets = v1::DatasetService::NewStub(channel_);
    grpc::ClientContext unary, watching, uploading;
    v1::CancelJobRequest cancel;
    cancel.set_name("jobs/a");
    v1::Job job;
    const grpc::Status cancelled = training->CancelJob(&unary, cancel, &job);
    message_ = cancelled.error_message();
    v1::WatchJobRequest watch;
    watch.set_name("jobs/a");
    const auto stream = training->WatchJob(&watching, watch);
    v1::WatchJobResponse response;
    while (stream->Read(&response)) {
    }
    v1::Upload upload;
    const auto writer = datasets->UploadDataset(&uploading, &upload);
    v1::UploadDatasetRequest header;
    header.mutable_header()->set_upload_id("u");
    writer->Write(header);
    writer->WritesDone();
    return {cancelled.error_code(), stream->Finish().error_code(), writer->Finish().error_code()};
  }
  std::string User() {
    absl::MutexLock lock(&reached_.mu);
    return reached_.user;
  }

  const TemporaryFolder folder_;
  std::string certs_, message_;
  std::unique_ptr<AccountStore> accounts_;
  AccessGate gate_;
  Executor executor_{2};
  const Entrance entrance_;
  Reached reached_;
  CountingTraining training_;
  CountingDatasets datasets_;
  AuthService auth_;
  std::unique_ptr<TlsCredentials> tls_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
};

const std::vector<grpc::StatusCode> kServed(3, grpc::OK), kStopped(3, grpc::UNAUTHENTICATED);

TEST_F(GatedCallsTest, WithoutUsersEveryKindOfCallPasses) {
  Serve(false);
  EXPECT_EQ(Call(""), kServed);
  EXPECT_EQ(reached_.calls, 3);
  EXPECT_EQ(User(), "");
}

TEST_F(GatedCallsTest, WithUsersNoKindOfCallReachesItsHandlerWithoutAToken) {
  Serve(false);
  const std::string token = TokenOf("root", v1::ROLE_ADMIN);
  EXPECT_EQ(Call(""), kStopped);
  EXPECT_THAT(message_, HasSubstr("who you are"));
  EXPECT_EQ(Call("traind_nonsense"), kStopped);
  EXPECT_EQ(reached_.calls, 0);
  EXPECT_EQ(Call(token), kServed);
  EXPECT_EQ(reached_.calls, 3);
  EXPECT_EQ(User(), "root");
  ASSERT_TRUE(accounts_->RevokeToken(accounts_->ListTokens()->front().id).ok());
  EXPECT_EQ(Call(token), kStopped);
  EXPECT_EQ(reached_.calls, 3);
}

TEST_F(GatedCallsTest, WhatIsAnothersIsNotReached) {
  Serve(false);
  TokenOf("root", v1::ROLE_ADMIN);
  const std::string ada = TokenOf("ada", v1::ROLE_USER), bob = TokenOf("bob", v1::ROLE_USER);
  const std::string vera = TokenOf("vera", v1::ROLE_VIEWER);
  EXPECT_EQ(Call(ada), kServed);
  EXPECT_EQ(Call(bob), (std::vector<grpc::StatusCode>{grpc::NOT_FOUND, grpc::NOT_FOUND, grpc::ALREADY_EXISTS}));
  EXPECT_EQ(Call(vera),
            (std::vector<grpc::StatusCode>{grpc::PERMISSION_DENIED, grpc::NOT_FOUND, grpc::PERMISSION_DENIED}));
  EXPECT_EQ(reached_.calls, 3);
}

TEST_F(GatedCallsTest, ACertificateStandsForItsCommonName) {
  Serve(true);
  TokenOf("root", v1::ROLE_ADMIN);
  EXPECT_EQ(Call("", true), kStopped);
  EXPECT_THAT(message_, HasSubstr("\"ada\", who is no user here"));
  const std::string token = TokenOf("bob", v1::ROLE_ADMIN);
  EXPECT_EQ(Call(token, true), kServed) << "a token counts first";
  EXPECT_EQ(User(), "bob");
  ASSERT_TRUE(accounts_->PutUser("ada", v1::ROLE_USER).ok());
  EXPECT_EQ(Call("", true), kServed);
  EXPECT_EQ(User(), "ada");
  EXPECT_EQ(Call(""), std::vector<grpc::StatusCode>(3, grpc::UNAVAILABLE)) << "no certificate, no connection";
}

TEST_F(GatedCallsTest, UsersAndTokensAreMadeByAdministrators) {
  Serve(false);
  const std::string root = TokenOf("root", v1::ROLE_ADMIN);
  Call(root);
  auto auth = v1::AuthService::NewStub(channel_);
  v1::IssueTokenRequest issue;
  issue.set_user("eve");
  v1::IssueTokenResponse issued;
  {
    grpc::ClientContext context;
    EXPECT_EQ(auth->IssueToken(&context, issue, &issued).error_code(), grpc::NOT_FOUND) << "no such user";
  }
  {
    grpc::ClientContext context;
    v1::SetUserRequest set;
    set.set_user("eve");
    set.set_role(v1::ROLE_USER);
    v1::SetUserResponse response;
    ASSERT_TRUE(auth->SetUser(&context, set, &response).ok());
    EXPECT_EQ(response.user().name(), "users/eve");
  }
  {
    grpc::ClientContext context;
    ASSERT_TRUE(auth->IssueToken(&context, issue, &issued).ok());
  }
  Call(issued.secret());
  auth = v1::AuthService::NewStub(channel_);
  {
    grpc::ClientContext context;
    v1::WhoAmIResponse me;
    ASSERT_TRUE(auth->WhoAmI(&context, {}, &me).ok());
    EXPECT_EQ(me.user().name(), "users/eve");
  }
  {
    grpc::ClientContext context;
    v1::ListTokensResponse tokens;
    ASSERT_TRUE(auth->ListTokens(&context, {}, &tokens).ok());
    ASSERT_EQ(tokens.tokens_size(), 1) << "her own";
    EXPECT_EQ(tokens.tokens(0).owner(), "eve");
  }
  {
    grpc::ClientContext context;
    EXPECT_EQ(auth->IssueToken(&context, issue, &issued).error_code(), grpc::PERMISSION_DENIED);
  }
}

}  // namespace
}  // namespace traind::server
