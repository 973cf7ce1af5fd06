#include "server/services/access_gate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "server/resources/names.h"
#include "tests/support/temporary_folder.h"
#include "traind/v1/dataset_service.pb.h"
#include "traind/v1/model_service.pb.h"
#include "traind/v1/operation.pb.h"
#include "traind/v1/training_service.pb.h"

namespace traind::server {
namespace {

using ::testing::HasSubstr;

// Ada has the job "mine" on the dataset "digits", which are hers alone; "shown" is everybody's to read, "told" Bob's.
class AccessGateTest : public ::testing::Test {
 protected:
  AccessGateTest() {
    accounts_ = *AccountStore::Open(folder_ / "traind.db");
    for (const char* name : {"mine", "shown", "told"}) owners_[std::string("jobs/") + name].owner = "ada";
    owners_["jobs/shown"].sharing.set_public_(true);
    owners_["jobs/told"].sharing.add_readers("bob");
    owners_["datasets/digits"].owner = "ada";
    owners_["uploads/u"].owner = "ada";
    owners_["jobs/old"];  // Of before there were accounts.
    gate_ = std::make_unique<AccessGate>(
        accounts_.get(), ResourceOwners{.owner_of = [this](const std::string& name) -> absl::StatusOr<Ownership> {
                                          const auto found = owners_.find(name);
                                          if (found != owners_.end()) return found->second;
                                          return absl::NotFoundError("none");
                                        },
                                        .dataset_of = [this](const std::string& job) -> std::string {
                                          return owners_.count(job) > 0 ? "datasets/digits" : "";
                                        }});
  }
  std::string TokenOf(const std::string& user, v1::Role role) {
    EXPECT_TRUE(accounts_->PutUser(user, role).ok());
    return "Bearer " + accounts_->CreateToken(user, "")->secret;
  }
  void Populate() {
    tokens_["root"] = TokenOf("root", v1::ROLE_ADMIN);
    tokens_["ada"] = TokenOf("ada", v1::ROLE_USER);
    tokens_["bob"] = TokenOf("bob", v1::ROLE_USER);
    tokens_["vera"] = TokenOf("vera", v1::ROLE_VIEWER);
  }
  absl::Status AdmitWith(const CallerCredentials& credentials, const google::protobuf::Message& request) {
    CallContext call("test", absl::InfiniteFuture(), credentials);
    const absl::Status status = gate_->Admit(call, request);
    caller_ = call.caller();
    return status;
  }
  absl::StatusCode Admit(const std::string& user, const google::protobuf::Message& request) {
    status_ = AdmitWith({.authorization = tokens_.at(user)}, request);
    return status_.code();
  }
  template <class Request>
  static Request Named(const std::string& name) {
    Request request;
    request.set_name(name);
    return request;
  }

  const TemporaryFolder folder_{TemporaryFolder::Place::kMemory};
  std::unique_ptr<AccountStore> accounts_;
  std::map<std::string, Ownership> owners_;
  std::unique_ptr<AccessGate> gate_;
  std::map<std::string, std::string> tokens_;
  Caller caller_;
  absl::Status status_;
};

TEST_F(AccessGateTest, WithoutUsersEverybodyIsAnAdministrator) {
  EXPECT_TRUE(AdmitWith({}, Named<v1::DeleteJobRequest>("jobs/mine")).ok());
  EXPECT_TRUE(caller_.IsAdmin());
  EXPECT_EQ(caller_.user, "");
  EXPECT_TRUE(AdmitWith({.authorization = "Bearer whatever"}, v1::ListJobsRequest()).ok());
}

TEST_F(AccessGateTest, WithUsersNobodyElseIsLetIn) {
  Populate();
  for (const CallerCredentials& credentials :
       {CallerCredentials{}, CallerCredentials{.authorization = "Bearer x"},
        CallerCredentials{.authorization = "Bearer "}, CallerCredentials{.authorization = "Basic YTpi"},
        CallerCredentials{.authorization = tokens_["ada"].substr(7)},
        CallerCredentials{.authorization = tokens_["ada"] + "," + tokens_["bob"]},
        CallerCredentials{.authorization = "", .certificate_name = "eve"},
        CallerCredentials{.authorization = "Bearer x", .certificate_name = "root"}}) {
    EXPECT_TRUE(absl::IsUnauthenticated(AdmitWith(credentials, v1::ListJobsRequest())))
        << credentials.authorization << " " << credentials.certificate_name;
  }
}

TEST_F(AccessGateTest, ATokenOrACertificateSaysWhoItIs) {
  Populate();
  EXPECT_TRUE(AdmitWith({.authorization = tokens_["ada"]}, v1::ListJobsRequest()).ok());
  EXPECT_EQ(caller_.user, "ada");
  EXPECT_TRUE(AdmitWith({.certificate_name = "bob"}, v1::ListJobsRequest()).ok());
  EXPECT_EQ(caller_.user, "bob");
  EXPECT_TRUE(AdmitWith({.authorization = tokens_["ada"], .certificate_name = "bob"}, v1::ListJobsRequest()).ok());
  EXPECT_EQ(caller_.user, "ada") << "the token counts";
  ASSERT_TRUE(accounts_->PutUser("bob", v1::ROLE_NONE).ok());
  EXPECT_TRUE(absl::IsUnauthenticated(AdmitWith({.certificate_name = "bob"}, v1::ListJobsRequest())));
}

TEST_F(AccessGateTest, AnothersResourceIsNotThere) {
  Populate();
  EXPECT_EQ(Admit("ada", Named<v1::GetJobRequest>("jobs/mine")), absl::StatusCode::kOk);
  EXPECT_EQ(Admit("root", Named<v1::DeleteJobRequest>("jobs/mine")), absl::StatusCode::kOk);
  EXPECT_EQ(Admit("bob", Named<v1::GetJobRequest>("jobs/none")), absl::StatusCode::kNotFound);
  absl::Status none = status_;
  for (const char* user : {"bob", "vera"}) {
    EXPECT_EQ(Admit(user, Named<v1::GetJobRequest>("jobs/mine")), absl::StatusCode::kNotFound);
    // To the last byte what is said of one that is not there, but for the name.
    EXPECT_EQ(std::string(status_.message()).replace(std::string(status_.message()).find("mine"), 4, "none"),
              none.message());
    EXPECT_EQ(Admit(user, Named<v1::WatchJobRequest>("jobs/mine")), absl::StatusCode::kNotFound);
    EXPECT_EQ(Admit(user, Named<v1::GetCheckpointRequest>("jobs/mine/checkpoints/best")), absl::StatusCode::kNotFound);
    EXPECT_EQ(Admit(user, Named<v1::GetUploadRequest>("uploads/u")), absl::StatusCode::kNotFound);
    EXPECT_EQ(Admit(user, Named<v1::GetJobRequest>("jobs/old")), absl::StatusCode::kNotFound);
  }
  EXPECT_EQ(Admit("bob", Named<v1::DeleteJobRequest>("jobs/mine")), absl::StatusCode::kNotFound);
}

TEST_F(AccessGateTest, WhatIsSharedIsReadAndNotChanged) {
  Populate();
  EXPECT_EQ(Admit("bob", Named<v1::GetJobRequest>("jobs/shown")), absl::StatusCode::kOk);
  EXPECT_EQ(Admit("vera", Named<v1::GetJobRequest>("jobs/shown")), absl::StatusCode::kOk);
  EXPECT_EQ(Admit("bob", Named<v1::GetJobRequest>("jobs/told")), absl::StatusCode::kOk);
  EXPECT_EQ(Admit("vera", Named<v1::GetJobRequest>("jobs/told")), absl::StatusCode::kNotFound);
  EXPECT_EQ(Admit("bob", Named<v1::CancelJobRequest>("jobs/shown")), absl::StatusCode::kPermissionDenied);
  v1::UpdateJobRequest update;
  update.mutable_job()->set_name("jobs/shown");
  EXPECT_EQ(Admit("bob", update), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(Admit("ada", update), absl::StatusCode::kOk);
}

TEST_F(AccessGateTest, ViewersMakeNothing) {
  Populate();
  EXPECT_EQ(Admit("vera", v1::ListJobsRequest()), absl::StatusCode::kOk);
  EXPECT_EQ(Admit("vera", v1::CreateJobRequest()), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(std::string(status_.message()), HasSubstr("takes the role user; vera is viewer"));
  EXPECT_EQ(Admit("vera", v1::UploadHeader()), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(Admit("vera", v1::UploadModelHeader()), absl::StatusCode::kPermissionDenied);
}

TEST_F(AccessGateTest, WhatASpecNamesIsCheckedToo) {
  Populate();
  v1::CreateJobRequest create;
  EXPECT_EQ(Admit("bob", create), absl::StatusCode::kInvalidArgument) << "no list of others' datasets";
  create.mutable_spec()->mutable_data()->set_dataset("digits");
  EXPECT_EQ(Admit("bob", create), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status_.message()), HasSubstr("spec.data.dataset: there is no datasets/digits"));
  EXPECT_EQ(Admit("ada", create), absl::StatusCode::kOk);
  owners_["datasets/digits"].sharing.set_public_(true);
  EXPECT_EQ(Admit("bob", create), absl::StatusCode::kOk);
  create.mutable_spec()->mutable_initial_weights()->set_model("jobs/mine/checkpoints/3");
  EXPECT_EQ(Admit("bob", create), absl::StatusCode::kNotFound);

  v1::ImportDatasetRequest import;
  import.add_splits()->mutable_examples()->set_path("file");
  import.add_splits()->add_more_examples()->set_upload("uploads/u");
  EXPECT_EQ(Admit("bob", import), absl::StatusCode::kNotFound);
  EXPECT_EQ(Admit("ada", import), absl::StatusCode::kOk);
  // Clients ask so before they send the files.
  import.set_validate_only(true);
  import.mutable_splits(1)->mutable_more_examples(0)->set_upload("uploads/to-be-sent");
  EXPECT_EQ(Admit("bob", import), absl::StatusCode::kOk);
}

// A job that is shared does not share the data that it was trained on.
TEST_F(AccessGateTest, TheDatasetThatAJobStandsForIsChecked) {
  Populate();
  v1::EvaluateRequest evaluate;
  evaluate.mutable_model()->set_model("jobs/shown/checkpoints/best");
  EXPECT_EQ(Admit("bob", evaluate), absl::StatusCode::kInvalidArgument);
  v1::PredictSplitRequest predict;
  predict.mutable_model()->set_model("jobs/shown/checkpoints/best");
  EXPECT_EQ(Admit("bob", predict), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Admit("bob", Named<v1::ForkJobRequest>("jobs/shown")), absl::StatusCode::kInvalidArgument);
  owners_["datasets/own"].owner = "bob";
  evaluate.mutable_data()->set_dataset("own");
  EXPECT_EQ(Admit("bob", evaluate), absl::StatusCode::kOk);
  owners_["datasets/digits"].sharing.add_readers("bob");
  EXPECT_EQ(Admit("bob", predict), absl::StatusCode::kOk);
  EXPECT_EQ(Admit("bob", Named<v1::ForkJobRequest>("jobs/shown")), absl::StatusCode::kOk);
}

TEST_F(AccessGateTest, AnUploadIsContinuedByItsOwnerOnly) {
  Populate();
  v1::UploadHeader header;
  header.set_upload_id("u");
  EXPECT_EQ(Admit("ada", header), absl::StatusCode::kOk);
  EXPECT_EQ(Admit("bob", header), absl::StatusCode::kAlreadyExists);
  header.set_upload_id("new");
  EXPECT_EQ(Admit("bob", header), absl::StatusCode::kOk);
}

TEST_F(AccessGateTest, NamesThatAreNoneAreLeftToTheMethod) {
  Populate();
  for (const char* name : {"", "x", "jobs/", "jobs/../a", "JOBS/mine"}) {
    EXPECT_EQ(Admit("bob", Named<v1::GetJobRequest>(name)), absl::StatusCode::kOk) << name;
  }
}

TEST_F(AccessGateTest, AMessageOfNoMethodIsRefused) {
  Populate();
  EXPECT_EQ(Admit("root", v1::Model()), absl::StatusCode::kInternal);
}

}  // namespace
}  // namespace traind::server
