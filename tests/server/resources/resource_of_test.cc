#include "server/resources/resource_of.h"

#include <gtest/gtest.h>

#include <string>

#include "google/protobuf/descriptor.h"
#include "tests/support/text_proto.h"
#include "traind/v1/dataset_service.pb.h"
#include "traind/v1/model_service.pb.h"
#include "traind/v1/operation.pb.h"
#include "traind/v1/server_service.pb.h"
#include "traind/v1/training_service.pb.h"

namespace traind::server {
namespace {

TEST(ResourceOf, IsWhatTheRequestIsAbout) {
  EXPECT_EQ(ResourceOf(FromText<v1::DeleteJobRequest>("name: 'jobs/a' etag: 'e'")), "jobs/a");
  EXPECT_EQ(ResourceOf(FromText<v1::CreateJobRequest>("job_id: 'a' request_id: 'r'")), "jobs/a");
  EXPECT_EQ(ResourceOf(FromText<v1::CreateJobRequest>("request_id: 'r'")), "");
  EXPECT_EQ(ResourceOf(FromText<v1::ForkJobRequest>("name: 'jobs/a' job_id: 'b'")), "jobs/a");
  EXPECT_EQ(ResourceOf(FromText<v1::UpdateJobRequest>("job { name: 'jobs/a' }")), "jobs/a");
  EXPECT_EQ(ResourceOf(FromText<v1::UpdateDatasetRequest>("dataset { name: 'datasets/a' }")), "datasets/a");
  EXPECT_EQ(ResourceOf(FromText<v1::ListCheckpointsRequest>("parent: 'jobs/a'")), "jobs/a");
  EXPECT_EQ(ResourceOf(FromText<v1::ImportDatasetRequest>("dataset_id: 'a'")), "datasets/a");
  EXPECT_EQ(ResourceOf(FromText<v1::UploadDatasetRequest>("header { upload_id: 'a' }")), "uploads/a");
  EXPECT_EQ(ResourceOf(FromText<v1::UploadDatasetRequest>("chunk: 'a'")), "");
  EXPECT_EQ(ResourceOf(FromText<v1::UploadModelRequest>("header { model_id: 'a' }")), "models/a");
  EXPECT_EQ(ResourceOf(FromText<v1::EvaluateRequest>("model { model: 'models/a' job: 'jobs/b' }")), "models/a");
  EXPECT_EQ(ResourceOf(FromText<v1::ReadPredictionsRequest>("operation: 'operations/a'")), "operations/a");
  EXPECT_EQ(ResourceOf(FromText<v1::Job>("name: 'jobs/a'")), "jobs/a");
  EXPECT_EQ(ResourceOf(v1::GetServerInfoRequest()), "");
}

TEST(ResourceOf, IsBounded) {
  v1::DeleteJobRequest request;
  request.set_name(std::string(100'000, 'x'));
  EXPECT_EQ(ResourceOf(request).size(), 200u);
}

}  // namespace
}  // namespace traind::server
