// A whole server with users who have quotas: what is counted comes in over the network.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/accounts/account_store.h"
#include "server/resources/quota.h"
#include "tests/server/services/services_fixture.h"
#include "traind/v1/auth_service.grpc.pb.h"

namespace traind::server {
namespace {

using ::testing::HasSubstr;

class QuotasTest : public ServicesTest {
 protected:
  QuotasTest() {
    accounts_ = *AccountStore::Open(folder_ / "data/traind.db");
    for (const auto& [user, role] :
         {std::pair{"root", v1::ROLE_ADMIN}, {"ada", v1::ROLE_USER}, {"bob", v1::ROLE_USER}}) {
      EXPECT_TRUE(accounts_->PutUser(user, role).ok());
      tokens_[user] = accounts_->CreateToken(user, "")->secret;
    }
    Connect();
  }
  void Connect() { auth_ = v1::AuthService::NewStub(server_->InProcessChannel()); }
  std::unique_ptr<grpc::ClientContext> As(const std::string& user) {
    auto context = std::make_unique<grpc::ClientContext>();
    context->AddMetadata("authorization", "Bearer " + tokens_.at(user));
    return context;
  }
  void Limit(const std::string& user, QuotaKind kind, int64_t limit) {
    UserChange change;
    SetValue(change.quota, kind, limit);
    ASSERT_TRUE(accounts_->PutUser(user, change).ok());
  }
  v1::GetQuotaResponse QuotaOf(const std::string& caller, const std::string& name = "") {
    v1::GetQuotaRequest request;
    request.set_name(name);
    v1::GetQuotaResponse response;
    code_ = auth_->GetQuota(As(caller).get(), request, &response).error_code();
    return response;
  }
  grpc::Status BeginUpload(const std::string& user, const std::string& id, int64_t size) {
    v1::Upload upload;
    const auto context = As(user);
    auto stream = datasets_->UploadDataset(context.get(), &upload);
    v1::UploadDatasetRequest request;
    request.mutable_header()->set_upload_id(id);
    request.mutable_header()->set_size_bytes(size);
    request.mutable_header()->set_crc32("00000000");
    stream->Write(request);
    stream->WritesDone();
    return stream->Finish();  // INVALID_ARGUMENT: the bytes are missing, and can follow.
  }
  grpc::Status ImportAs(const std::string& user, const std::string& id, v1::Operation* operation) {
    const grpc::Status begun = datasets_->ImportDataset(As(user).get(), ImportRequest(id), operation);
    v1::WaitOperationRequest wait;
    wait.set_name(operation->name());
    return begun.ok() ? operations_->WaitOperation(As(user).get(), wait, operation) : begun;
  }

  std::unique_ptr<AccountStore> accounts_;
  std::unique_ptr<v1::AuthService::Stub> auth_;
  std::map<std::string, std::string> tokens_;
  grpc::StatusCode code_ = grpc::OK;
};

// What the error says of whose quota it is, and whether another try is of use.
bool IsQuotaFailure(const grpc::Status& status, const std::string& subject, bool retry) {
  rpc::Status rich;
  rpc::QuotaFailure failure;
  bool found = false, retries = false;
  EXPECT_TRUE(rich.ParseFromString(status.error_details()));
  for (const auto& detail : rich.details()) {
    if (absl::string_view(detail.type_url()) == kQuotaFailureUrl) {
      found = failure.ParseFromString(detail.value()) && failure.violations(0).subject() == subject;
    }
    retries |= absl::string_view(detail.type_url()) == kRetryInfoUrl;
  }
  return status.error_code() == grpc::RESOURCE_EXHAUSTED && found && retries == retry;
}

TEST_F(QuotasTest, UploadsCountFromTheirBeginning) {
  Limit("ada", QuotaKind::kUploads, 1000);
  EXPECT_EQ(BeginUpload("ada", "a", 600).error_code(), grpc::INVALID_ARGUMENT);
  EXPECT_EQ(QuotaOf("ada").used().upload_bytes(), 600);
  EXPECT_TRUE(IsQuotaFailure(BeginUpload("ada", "b", 401), "users/ada", false));
  EXPECT_EQ(BeginUpload("ada", "a", 600).error_code(), grpc::INVALID_ARGUMENT) << "it goes on";
  EXPECT_TRUE(IsQuotaFailure(BeginUpload("ada", "a", 1001), "users/ada", false)) << "as another";
  EXPECT_EQ(BeginUpload("ada", "b", 400).error_code(), grpc::INVALID_ARGUMENT);
  EXPECT_EQ(BeginUpload("bob", "c", 5000).error_code(), grpc::INVALID_ARGUMENT) << "he has no limit";
  v1::DeleteUploadRequest remove;
  remove.set_name("uploads/a");
  google::protobuf::Empty nothing;
  ASSERT_TRUE(datasets_->DeleteUpload(As("ada").get(), remove, &nothing).ok());
  EXPECT_EQ(QuotaOf("ada").used().upload_bytes(), 400);
  Start();
  Connect();
  EXPECT_EQ(QuotaOf("ada").used().upload_bytes(), 400) << "counted anew";
  EXPECT_EQ(QuotaOf("root", "users/bob").used().upload_bytes(), 5000);
}

TEST_F(QuotasTest, ADatasetIsMeasuredWhenItIsMade) {
  v1::Operation operation;
  ASSERT_TRUE(ImportAs("ada", "first", &operation).ok());
  ASSERT_TRUE(operation.has_response()) << operation.error().message();
  const int64_t bytes = QuotaOf("ada").used().dataset_bytes();
  EXPECT_GT(bytes, kExamples * 16);
  Limit("ada", QuotaKind::kDatasets, 2 * bytes - 1);
  ASSERT_TRUE(ImportAs("ada", "second", &operation).ok());
  EXPECT_EQ(operation.error().code(), grpc::RESOURCE_EXHAUSTED);
  EXPECT_THAT(operation.error().message(), HasSubstr("ada's quota of dataset_bytes"));
  EXPECT_EQ(QuotaOf("ada").used().dataset_bytes(), bytes) << "nothing is left of it";
  Limit("ada", QuotaKind::kDatasets, bytes);
  EXPECT_TRUE(IsQuotaFailure(ImportAs("ada", "third", &operation), "users/ada", false)) << "not even begun";
  v1::DeleteDatasetRequest remove;
  remove.set_name("datasets/first");
  google::protobuf::Empty nothing;
  ASSERT_TRUE(datasets_->DeleteDataset(As("ada").get(), remove, &nothing).ok());
  ASSERT_TRUE(ImportAs("ada", "third", &operation).ok());
  EXPECT_TRUE(operation.has_response()) << operation.error().message();
}

TEST_F(QuotasTest, RequestsAndStreams) {
  Limit("ada", QuotaKind::kStreams, 0);
  EXPECT_TRUE(IsQuotaFailure(BeginUpload("ada", "a", 1), "users/ada", true));
  EXPECT_EQ(QuotaOf("ada").used().upload_bytes(), 0);
  Limit("ada", QuotaKind::kStreams, 1);
  EXPECT_EQ(BeginUpload("ada", "a", 1).error_code(), grpc::INVALID_ARGUMENT);
  Limit("ada", QuotaKind::kRequests, 0);
  v1::ListJobsResponse jobs;
  const grpc::Status refused = training_->ListJobs(As("ada").get(), {}, &jobs);
  EXPECT_TRUE(IsQuotaFailure(refused, "users/ada", false)) << refused.error_message();
  EXPECT_TRUE(training_->ListJobs(As("bob").get(), {}, &jobs).ok());
  Limit("root", QuotaKind::kRequests, 0);
  EXPECT_TRUE(training_->ListJobs(As("root").get(), {}, &jobs).ok()) << "administrators have no rate";
}

TEST_F(QuotasTest, AJobThatNamesNoThreadsTakesThoseOfItsOwner) {
  v1::Operation operation;
  ASSERT_TRUE(ImportAs("ada", "digits", &operation).ok());
  Limit("ada", QuotaKind::kThreads, 1);
  v1::Job job;
  ASSERT_TRUE(training_->CreateJob(As("ada").get(), JobRequest("a"), &job).ok());
  EXPECT_EQ(job.threads(), 1u);
  v1::CreateJobRequest large = JobRequest("b");
  large.mutable_spec()->set_threads(2);
  EXPECT_TRUE(IsQuotaFailure(training_->CreateJob(As("ada").get(), large, &job), "users/ada", false));
  launcher_.Await(1);
  const v1::GetQuotaResponse quota = QuotaOf("ada");
  EXPECT_EQ(quota.limits().threads(), 1);
  EXPECT_EQ(quota.used().threads(), 1);
  EXPECT_EQ(quota.used().running_jobs(), 1);
  EXPECT_GT(quota.used().event_bytes(), 0);
  EXPECT_FALSE(quota.limits().has_streams());
}

TEST_F(QuotasTest, OnesOwnIsOnesOwnBusiness) {
  EXPECT_EQ(QuotaOf("ada").name(), "users/ada");
  EXPECT_EQ(QuotaOf("ada", "users/ada").name(), "users/ada");
  QuotaOf("ada", "users/bob");
  EXPECT_EQ(code_, grpc::NOT_FOUND);
  QuotaOf("root", "users/nobody");
  EXPECT_EQ(code_, grpc::NOT_FOUND);
  QuotaOf("root", "bob");
  EXPECT_EQ(code_, grpc::INVALID_ARGUMENT);
  EXPECT_EQ(QuotaOf("root", "users/bob").name(), "users/bob");
  EXPECT_EQ(QuotaOf("root", "users/bob").weight(), 1);
}

}  // namespace
}  // namespace traind::server
