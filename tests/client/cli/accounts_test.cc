// whoami, user, token and share against a server in the same process.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "tests/client/cli/app_fixture.h"

namespace traind::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class AccountsTest : public AppTest {};

TEST_F(AccountsTest, WhoAmI) {
  std::string name = "users/ada";
  server_.auth.who_am_i = [&](const v1::WhoAmIRequest&, v1::WhoAmIResponse* response) {
    response->mutable_user()->set_name(name);
    response->mutable_user()->set_role(v1::ROLE_ADMIN);
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"whoami"}), 0) << err_.str();
  EXPECT_EQ(out_.str(), "ada admin\n");
  EXPECT_EQ(Run({"-q", "whoami"}), 0);
  EXPECT_EQ(out_.str(), "ada\n");
  name = "";
  EXPECT_EQ(Run({"whoami"}), 0);
  EXPECT_THAT(out_.str(), HasSubstr("no users"));
}

TEST_F(AccountsTest, ATokenComesOutAlone) {
  v1::IssueTokenRequest asked;
  server_.auth.issue_token = [&](const v1::IssueTokenRequest& request, v1::IssueTokenResponse* response) {
    asked = request;
    response->set_secret("traind_secret");
    response->mutable_token()->set_name("tokens/tok-1");
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"token", "create", "bob", "--description", "laptop"}), 0) << err_.str();
  EXPECT_EQ(out_.str(), "traind_secret\n");
  EXPECT_THAT(err_.str(), HasSubstr("tok-1"));
  EXPECT_EQ(asked.user(), "bob");
  EXPECT_EQ(asked.description(), "laptop");
  EXPECT_TRUE(asked.has_expire_time());
  EXPECT_EQ(Run({"token", "create", "bob", "--expires", "never"}), 0);
  EXPECT_FALSE(asked.has_expire_time());
  for (const char* lifetime : {"", "90", "-1d", "0h", "1w", "99999999d"}) {
    EXPECT_EQ(Run({"token", "create", "bob", "--expires", lifetime}), 2) << lifetime;
  }
}

TEST_F(AccountsTest, ListsAndRevokes) {
  server_.auth.list_tokens = [](const v1::ListTokensRequest&, v1::ListTokensResponse* response) {
    v1::Token* token = response->add_tokens();
    token->set_name("tokens/tok-1");
    token->set_owner("ada");
    token->mutable_revoke_time()->set_seconds(1);
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"token", "list"}), 0) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("revoked"));
  EXPECT_EQ(Run({"-q", "token", "list"}), 0);
  EXPECT_EQ(out_.str(), "tok-1\n");
  std::string revoked;
  server_.auth.revoke_token = [&](const v1::RevokeTokenRequest& request, v1::RevokeTokenResponse*) {
    revoked = request.name();
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"token", "revoke", "tok-1"}), 0);
  EXPECT_EQ(revoked, "tokens/tok-1");
}

TEST_F(AccountsTest, UsersHaveRoles) {
  v1::SetUserRequest asked;
  server_.auth.set_user = [&](const v1::SetUserRequest& request, v1::SetUserResponse* response) {
    asked = request;
    response->mutable_user()->set_name("users/" + request.user());
    response->mutable_user()->set_role(request.role());
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"user", "set", "bob", "--role", "viewer"}), 0) << err_.str();
  EXPECT_EQ(asked.role(), v1::ROLE_VIEWER);
  EXPECT_EQ(Run({"user", "set", "bob", "--role", "king"}), 2);
  EXPECT_EQ(Run({"user", "set", "bob"}), 2);
}

TEST_F(AccountsTest, UsersHaveQuotas) {
  v1::SetUserRequest asked;
  server_.auth.set_user = [&](const v1::SetUserRequest& request, v1::SetUserResponse* response) {
    asked = request;
    response->mutable_user()->set_name("users/" + request.user());
    *response->mutable_user()->mutable_quota() = request.quota();
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"user", "set", "bob", "--quota", "threads=4,dataset_bytes=10GiB", "--quota", "streams=none",
                 "--weight", "2"}),
            0)
      << err_.str();
  EXPECT_EQ(asked.role(), v1::ROLE_UNSPECIFIED) << "it stays";
  EXPECT_EQ(asked.weight(), 2);
  EXPECT_EQ(asked.quota().threads(), 4);
  EXPECT_EQ(asked.quota().dataset_bytes(), int64_t{10} << 30);
  EXPECT_EQ(asked.quota().streams(), std::numeric_limits<int64_t>::max());
  EXPECT_FALSE(asked.quota().has_queued_jobs());
  EXPECT_EQ(Run({"user", "set", "bob", "--quota", "threads=default"}), 0);
  EXPECT_EQ(asked.quota().threads(), -1);
  for (const char* quota : {"", "threads", "threads=", "threads=-2", "threads=4GiB", "cores=4",
                            "memory_bytes=9999999TiB", "threads=4,", "threads=1.5"}) {
    EXPECT_EQ(Run({"user", "set", "bob", "--quota", quota}), 2) << quota;
  }
  EXPECT_EQ(Run({"user", "set", "bob", "--quota", "cores=4"}), 2);
  EXPECT_THAT(err_.str(), HasSubstr("requests_per_second")) << "names the quotas there are";
  EXPECT_EQ(Run({"user", "set", "bob", "--weight", "0"}), 2);
}

TEST_F(AccountsTest, QuotaIsATable) {
  std::string asked;
  server_.auth.get_quota = [&](const v1::GetQuotaRequest& request, v1::GetQuotaResponse* response) {
    asked = request.name();
    response->set_name("users/ada");
    response->set_weight(2);
    response->mutable_limits()->set_threads(4);
    response->mutable_used()->set_threads(3);
    response->mutable_used()->set_dataset_bytes(2'000'000);
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"quota"}), 0) << err_.str();
  EXPECT_EQ(asked, "");
  EXPECT_THAT(out_.str(), ::testing::ContainsRegex("threads +3 +4\n"));
  EXPECT_THAT(out_.str(), ::testing::ContainsRegex("dataset_bytes +2.0* MB +-\n"));
  EXPECT_EQ(Run({"--json", "quota", "bob"}), 0);
  EXPECT_EQ(asked, "users/bob");
  EXPECT_THAT(out_.str(), HasSubstr("\"threads\""));
}

TEST_F(AccountsTest, ShareChangesTheSharingAlone) {
  v1::Job job;
  job.set_name("jobs/a");
  job.set_etag("1");
  job.mutable_sharing()->add_readers("eve");
  server_.training.get_job = [&](const v1::GetJobRequest&, v1::Job* response) {
    *response = job;
    return grpc::Status::OK;
  };
  v1::UpdateJobRequest asked;
  server_.training.update_job = [&](const v1::UpdateJobRequest& request, v1::Job* response) {
    asked = request;
    *response = job = request.job();
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"share", "a", "--with", "bob", "--with", "eve"}), 0) << err_.str();
  EXPECT_THAT(asked.update_mask().paths(), ElementsAre("sharing"));
  EXPECT_EQ(asked.job().etag(), "1");
  EXPECT_THAT(asked.job().sharing().readers(), ElementsAre("eve", "bob"));
  EXPECT_EQ(Run({"share", "a", "--public"}), 0);
  EXPECT_TRUE(asked.job().sharing().public_());
  EXPECT_EQ(Run({"share", "a", "--private", "--with", "bob"}), 0);
  EXPECT_FALSE(asked.job().sharing().public_());
  EXPECT_THAT(asked.job().sharing().readers(), ElementsAre("bob"));
  EXPECT_EQ(Run({"share", "a"}), 2);
}

TEST_F(AccountsTest, WhoHasNoTokenIsTold) {
  server_.training.list_jobs = [](const v1::ListJobsRequest&, v1::ListJobsResponse*) {
    return grpc::Status(grpc::StatusCode::UNAUTHENTICATED, "this server wants to know who you are");
  };
  EXPECT_EQ(Run({"list"}), 4);
  EXPECT_THAT(err_.str(), HasSubstr("--token-file"));
}

}  // namespace
}  // namespace traind::client
