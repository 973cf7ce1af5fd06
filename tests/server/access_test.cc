// A whole server with users, called over the network by each of them: unary calls, streams in both directions, health.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/accounts/account_store.h"
#include "server/tls/dev_certificates.h"
#include "tests/server/services/services_fixture.h"
#include "tests/support/health_call.h"
#include "traind/v1/auth_service.grpc.pb.h"

namespace traind::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class AccessTest : public ServicesTest {
 protected:
  AccessTest() {
    certs_ = folder_ / "certs";
    EXPECT_TRUE(MakeDevCertificates({.folder = certs_, .client = "ada", .begin = absl::Now() - absl::Hours(1)}).ok());
    accounts_ = *AccountStore::Open(folder_ / "data/traind.db");
  }
  void AddUsers() {
    for (const auto& [user, role] : {std::pair{"root", v1::ROLE_ADMIN},
                                     {"ada", v1::ROLE_USER},
                                     {"bob", v1::ROLE_USER},
                                     {"vera", v1::ROLE_VIEWER}}) {
      ASSERT_TRUE(accounts_->PutUser(user, role).ok());
      const auto token = accounts_->CreateToken(user, "");
      ASSERT_TRUE(token.ok()) << token.status();
      tokens_[user] = token->secret;
      ids_[user] = token->record.id;
    }
  }
  absl::Status Serve(const std::function<void(Config&)>& change = nullptr) {
    server_.reset();
    Config config;
    config.listen = "127.0.0.1:0";
    config.data_dir = folder_ / "data";
    config.dataset_roots = {root_};
    config.threads = 2;
    config.memory_limit = memory_limit_;
    config.tls = {.cert = certs_ + "/server.pem", .key = certs_ + "/server-key.pem"};
    if (change) change(config);
    auto server = Server::Start(config, &launcher_);
    if (server.ok()) server_ = *std::move(server);
    return server.status();
  }
  std::shared_ptr<grpc::ChannelCredentials> Trusting(bool with_certificate = false) const {
    grpc::SslCredentialsOptions options;
    options.pem_root_certs = ReadBytes(certs_ + "/ca.pem");
    if (with_certificate) {
      options.pem_private_key = ReadBytes(certs_ + "/client-key.pem");
      options.pem_cert_chain = ReadBytes(certs_ + "/client.pem");
    }
    return grpc::SslCredentials(options);
  }
  // The stubs call as somebody with this token from here on; empty: with none.
  void UseToken(const std::string& token, bool with_certificate = false) {
    auto credentials = Trusting(with_certificate);
    if (!token.empty()) {
      credentials = grpc::CompositeChannelCredentials(credentials, grpc::AccessTokenCredentials(token));
    }
    const auto channel =
        grpc::CreateCustomChannel(absl::StrCat("localhost:", server_->port()), credentials, grpc::ChannelArguments());
    training_ = v1::TrainingService::NewStub(channel);
    datasets_ = v1::DatasetService::NewStub(channel);
    models_ = v1::ModelService::NewStub(channel);
    operations_ = v1::OperationService::NewStub(channel);
    auth_ = v1::AuthService::NewStub(channel);
  }
  template <class Request, class Response>
  grpc::Status CallAuth(grpc::Status (v1::AuthService::Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                        const Request& request, Response* response) {
    grpc::ClientContext context;
    return (auth_.get()->*method)(&context, request, response);
  }
  void Be(const std::string& user) { UseToken(tokens_.at(user)); }

  grpc::Status Get(const std::string& name, v1::Job* job = nullptr) {
    grpc::ClientContext context;
    v1::GetJobRequest request;
    request.set_name(name);
    v1::Job found;
    const grpc::Status status = training_->GetJob(&context, request, &found);
    if (job != nullptr) *job = found;
    return status;
  }
  std::vector<std::string> ListJobs() {
    grpc::ClientContext context;
    v1::ListJobsResponse response;
    EXPECT_TRUE(training_->ListJobs(&context, {}, &response).ok());
    std::vector<std::string> names;
    for (const v1::Job& job : response.jobs()) names.push_back(job.name());
    return names;
  }
  std::vector<std::string> ListDatasets() {
    grpc::ClientContext context;
    v1::ListDatasetsResponse response;
    EXPECT_TRUE(datasets_->ListDatasets(&context, {}, &response).ok());
    std::vector<std::string> names;
    for (const v1::Dataset& dataset : response.datasets()) names.push_back(dataset.name());
    return names;
  }
  grpc::Status Share(const std::string& dataset, const std::string& reader) {
    grpc::ClientContext context;
    v1::UpdateDatasetRequest request;
    request.mutable_dataset()->set_name(dataset);
    request.mutable_dataset()->mutable_sharing()->add_readers(reader);
    request.mutable_update_mask()->add_paths("sharing");
    v1::Dataset response;
    return datasets_->UpdateDataset(&context, request, &response);
  }
  // Of each kind of call.
  std::vector<grpc::StatusCode> CallAll() {
    std::vector<v1::Event> events;
    v1::WatchJobRequest watch;
    watch.set_name("jobs/none");
    v1::Model model;
    grpc::ClientContext context;
    v1::ListJobsResponse jobs;
    return {training_->ListJobs(&context, {}, &jobs).error_code(), Watch(watch, &events).error_code(),
            UploadModel("m", "no weights", &model).error_code()};
  }

  std::string certs_;
  std::unique_ptr<AccountStore> accounts_;
  std::unique_ptr<v1::AuthService::Stub> auth_;
  std::map<std::string, std::string> tokens_, ids_;
};

const std::vector<grpc::StatusCode> kLetIn = {grpc::OK, grpc::NOT_FOUND, grpc::INVALID_ARGUMENT};
const std::vector<grpc::StatusCode> kStopped(3, grpc::UNAUTHENTICATED);

TEST_F(AccessTest, WithoutUsersAllIsAsBefore) {
  ASSERT_TRUE(Serve().ok());
  UseToken("");
  EXPECT_EQ(CallAll(), kLetIn);
}

TEST_F(AccessTest, EveryKindOfCallTakesAToken) {
  AddUsers();
  ASSERT_TRUE(Serve().ok());
  UseToken("");
  EXPECT_EQ(CallAll(), kStopped);
  UseToken("traind_wrong");
  EXPECT_EQ(CallAll(), kStopped);
  Be("ada");
  EXPECT_EQ(CallAll(), kLetIn);
  ASSERT_TRUE(accounts_->RevokeToken(ids_["ada"]).ok());
  EXPECT_EQ(CallAll(), kStopped) << "over the connection of before";
  const HealthAnswer health = CallHealth(absl::StrCat("localhost:", server_->port()), Trusting());
  EXPECT_TRUE(health.status.ok()) << "a probe has none: " << health.status.error_message();
  EXPECT_EQ(health.serving, 1);
}

TEST_F(AccessTest, ACertificateIsItsCommonNames) {
  AddUsers();
  ASSERT_TRUE(Serve([this](Config& config) { config.tls.client_ca = certs_ + "/ca.pem"; }).ok());
  UseToken("", /*with_certificate=*/true);
  EXPECT_EQ(CallAll(), kLetIn);
  Import("digits");
  grpc::ClientContext context;
  v1::GetDatasetRequest request;
  request.set_name("datasets/digits");
  v1::Dataset dataset;
  ASSERT_TRUE(datasets_->GetDataset(&context, request, &dataset).ok());
  EXPECT_EQ(dataset.owner(), "ada");
  ASSERT_TRUE(accounts_->PutUser("ada", v1::ROLE_NONE).ok());
  EXPECT_EQ(CallAll(), kStopped);
}

TEST_F(AccessTest, EachSeesTheirOwnAndWhatIsShared) {
  AddUsers();
  ASSERT_TRUE(Serve().ok());
  Be("ada");
  Import("digits");
  v1::Job job;
  ASSERT_TRUE(Create(JobRequest("mine"), &job).ok());
  EXPECT_EQ(job.owner(), "ada");
  Be("bob");
  EXPECT_THAT(ListJobs(), IsEmpty());
  EXPECT_THAT(ListDatasets(), IsEmpty());
  EXPECT_EQ(Get("jobs/mine").error_code(), grpc::NOT_FOUND);
  EXPECT_EQ(Get("jobs/mine").error_message().size(), Get("jobs/none").error_message().size());
  EXPECT_THAT(Fields(Create(JobRequest("his"), &job)), ElementsAre("spec.data.dataset"));
  EXPECT_EQ(Share("datasets/digits", "bob").error_code(), grpc::NOT_FOUND);
  Be("ada");
  ASSERT_TRUE(Share("datasets/digits", "bob").ok());
  Be("bob");
  EXPECT_THAT(ListDatasets(), ElementsAre("datasets/digits"));
  EXPECT_EQ(Share("datasets/digits", "vera").error_code(), grpc::PERMISSION_DENIED);
  ASSERT_TRUE(Create(JobRequest("his"), &job).ok());
  EXPECT_THAT(ListJobs(), ElementsAre("jobs/his"));
  EXPECT_EQ(Create(JobRequest("mine"), &job).error_code(), grpc::ALREADY_EXISTS) << "ids are everybody's";
  Be("vera");
  EXPECT_THAT(ListJobs(), IsEmpty());
  EXPECT_EQ(Create(JobRequest("hers"), &job).error_code(), grpc::PERMISSION_DENIED);
  Be("root");
  EXPECT_THAT(ListJobs(), UnorderedElementsAre("jobs/mine", "jobs/his"));
}

TEST_F(AccessTest, WhoWaitsIsNotToldOfOthersJobs) {
  AddUsers();
  ASSERT_TRUE(Serve().ok());
  Be("ada");
  Import("digits");
  ASSERT_TRUE(Share("datasets/digits", "bob").ok());
  v1::Job job;
  ASSERT_TRUE(Create(JobRequest("mine"), &job).ok());  // It has all threads.
  Be("bob");
  ASSERT_TRUE(Create(JobRequest("his"), &job).ok());
  Be("root");
  for (int i = 0; i < 3000 && job.queue().blocked_by().empty(); ++i) {
    absl::SleepFor(absl::Milliseconds(10));
    ASSERT_TRUE(Get("jobs/his", &job).ok());
  }
  EXPECT_THAT(job.queue().blocked_by(), ElementsAre("jobs/mine"));
  Be("bob");
  ASSERT_TRUE(Get("jobs/his", &job).ok());
  EXPECT_NE(job.queue().reason(), "");
  EXPECT_THAT(job.queue().blocked_by(), IsEmpty());
}

TEST_F(AccessTest, ARequestIdGivesNobodyAnothersJob) {
  AddUsers();
  ASSERT_TRUE(Serve().ok());
  Be("ada");
  Import("digits");
  ASSERT_TRUE(Share("datasets/digits", "bob").ok());
  v1::CreateJobRequest request = JobRequest("");
  request.set_request_id("same");
  v1::Job hers, again, his;
  ASSERT_TRUE(Create(request, &hers).ok());
  ASSERT_TRUE(Create(request, &again).ok());
  EXPECT_EQ(again.name(), hers.name());
  EXPECT_EQ(again.request_id(), "same");
  Be("bob");
  ASSERT_TRUE(Create(request, &his).ok());
  EXPECT_NE(his.name(), hers.name());
}

TEST_F(AccessTest, WhatWasMadeBeforeThereWereUsersIsTheAdministrators) {
  ASSERT_TRUE(Serve().ok());
  UseToken("");
  Import("digits");
  v1::Job job;
  ASSERT_TRUE(Create(JobRequest("old"), &job).ok());
  EXPECT_EQ(job.owner(), "");
  AddUsers();
  Be("ada");
  EXPECT_EQ(Get("jobs/old").error_code(), grpc::NOT_FOUND) << "the first user counts at once";
  Be("root");
  EXPECT_TRUE(Get("jobs/old").ok());
}

TEST_F(AccessTest, AdministratorsMakeUsersAndTokens) {
  AddUsers();
  ASSERT_TRUE(Serve().ok());
  Be("root");
  v1::SetUserRequest set;
  set.set_user("eve");
  v1::SetUserResponse user;
  ASSERT_TRUE(CallAuth(&v1::AuthService::Stub::SetUser, set, &user).ok());
  EXPECT_EQ(user.user().name(), "users/eve");
  v1::IssueTokenRequest create;
  create.set_user("eve");
  create.set_description("laptop");
  v1::IssueTokenResponse made;
  ASSERT_TRUE(CallAuth(&v1::AuthService::Stub::IssueToken, create, &made).ok());
  EXPECT_TRUE(made.token().valid());
  UseToken(made.secret());
  v1::WhoAmIResponse me;
  ASSERT_TRUE(CallAuth(&v1::AuthService::Stub::WhoAmI, v1::WhoAmIRequest(), &me).ok());
  EXPECT_EQ(me.user().name(), "users/eve");
  EXPECT_EQ(me.user().role(), v1::ROLE_USER);
  // What is not for her.
  EXPECT_EQ(CallAuth(&v1::AuthService::Stub::SetUser, set, &user).error_code(), grpc::PERMISSION_DENIED);
  EXPECT_EQ(CallAuth(&v1::AuthService::Stub::IssueToken, create, &made).error_code(), grpc::PERMISSION_DENIED);
  v1::ListUsersResponse users;
  EXPECT_EQ(CallAuth(&v1::AuthService::Stub::ListUsers, v1::ListUsersRequest(), &users).error_code(),
            grpc::PERMISSION_DENIED);
  v1::ListTokensResponse tokens;
  ASSERT_TRUE(CallAuth(&v1::AuthService::Stub::ListTokens, v1::ListTokensRequest(), &tokens).ok());
  ASSERT_EQ(tokens.tokens_size(), 1) << "her own";
  EXPECT_EQ(tokens.tokens(0).description(), "laptop");
  v1::RevokeTokenRequest revoke;
  revoke.set_name("tokens/" + ids_["ada"]);
  v1::RevokeTokenResponse token;
  EXPECT_EQ(CallAuth(&v1::AuthService::Stub::RevokeToken, revoke, &token).error_code(), grpc::NOT_FOUND);
  revoke.set_name(tokens.tokens(0).name());
  ASSERT_TRUE(CallAuth(&v1::AuthService::Stub::RevokeToken, revoke, &token).ok());
  EXPECT_FALSE(token.token().valid());
  EXPECT_EQ(CallAll(), kStopped);
  Be("root");
  ASSERT_TRUE(CallAuth(&v1::AuthService::Stub::ListTokens, v1::ListTokensRequest(), &tokens).ok());
  EXPECT_EQ(tokens.tokens_size(), 5);
}

// Whoever reaches a server without users could make themselves its only administrator.
TEST_F(AccessTest, TheFirstUserIsNotMadeOverTheNetwork) {
  ASSERT_TRUE(Serve().ok());
  UseToken("");
  v1::SetUserRequest set;
  set.set_user("eve");
  set.set_role(v1::ROLE_ADMIN);
  v1::SetUserResponse user;
  EXPECT_EQ(CallAuth(&v1::AuthService::Stub::SetUser, set, &user).error_code(), grpc::FAILED_PRECONDITION);
  EXPECT_TRUE(*accounts_->IsEmpty());
  v1::WhoAmIResponse me;
  ASSERT_TRUE(CallAuth(&v1::AuthService::Stub::WhoAmI, v1::WhoAmIRequest(), &me).ok());
  EXPECT_EQ(me.user().name(), "");
}

TEST_F(AccessTest, StrangersTakeUsersOrCertificates) {
  const auto anywhere = [](Config& config) { config.listen = "0.0.0.0:0"; };
  const absl::Status status = Serve(anywhere);
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("traind token create"));
  EXPECT_TRUE(Serve([&](Config& config) {
                anywhere(config);
                config.insecure = true;
              }).ok());
  EXPECT_TRUE(Serve([&](Config& config) {
                anywhere(config);
                config.tls.client_ca = certs_ + "/ca.pem";
              }).ok());
  AddUsers();
  EXPECT_TRUE(Serve(anywhere).ok());
}

}  // namespace
}  // namespace traind::server
